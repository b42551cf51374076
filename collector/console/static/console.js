// What the pages do besides being read: themes, times of the viewer, charts that can be asked, polite renewal.
// Everything works without it, only plainer.
"use strict";

(() => {
  const root = document.documentElement;
  const $ = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const remember = (name, value) => {
    document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; SameSite=Strict`;
  };

  // ---- theme: the server renders the stored choice, so that nothing flashes
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  for (const button of $("[data-theme-toggle]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      remember("theme", root.dataset.theme);
    });
  }

  // ---- times
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  remember("tz", zone);
  const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
  const ago = (then) => {
    const seconds = (then - Date.now()) / 1000;
    const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) || ["second", 1];
    return unit === "second" ? (seconds > 0 ? "soon" : "just now") : relative.format(Math.trunc(seconds / size), unit);
  };
  const tellTimes = (inside = document) => {
    for (const each of $("time[data-moment], time[data-ago]", inside)) {
      const then = new Date(each.dateTime);
      const text = moment.format(then);
      each.title = "ago" in each.dataset ? text : each.dateTime;
      each.textContent = "ago" in each.dataset ? ago(then) : text;
    }
  };
  for (const each of $("[data-zone]")) each.textContent = `Times are in ${zone}; days are UTC days.`;
  setInterval(() => tellTimes(), 30000);

  // ---- charts: a slider over the days, by pointer and by keyboard
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const equip = (figure) => {
    const plot = figure.querySelector("svg.plot");
    if (!plot || figure.dataset.ready) return;
    figure.dataset.ready = "yes";
    const hits = $(".hit", plot);
    const texts = hits.map((hit) => {
      const title = hit.querySelector("title");
      const text = title.textContent;
      title.remove(); // else the browser shows it as well
      return text;
    });
    const cross = make("line", { class: "cross", y1: 0, y2: 234 });
    const point = make("circle", { class: "point", r: 4.5 });
    const readout = document.createElement("div");
    readout.className = "readout";
    let at = -1;
    const show = (place) => {
      at = place;
      const hit = hits[place];
      const middle = `${parseFloat(hit.getAttribute("x")) + parseFloat(hit.getAttribute("width")) / 2}%`;
      cross.setAttribute("x1", middle);
      cross.setAttribute("x2", middle);
      plot.insertBefore(cross, plot.lastElementChild);
      if (hit.dataset.y) {
        point.setAttribute("cx", middle);
        point.setAttribute("cy", hit.dataset.y);
        plot.insertBefore(point, plot.lastElementChild);
      } else point.remove();
      readout.textContent = texts[place];
      figure.append(readout);
      const width = figure.clientWidth;
      const x = (parseFloat(middle) / 100) * width;
      const left = x + 14 + readout.offsetWidth <= width ? x + 14 : x - 14 - readout.offsetWidth;
      readout.style.transform = `translate(${Math.max(0, left)}px, 8px)`;
      plot.setAttribute("aria-valuenow", place + 1);
      plot.setAttribute("aria-valuetext", texts[place].replaceAll("\n", ", "));
    };
    const hide = () => { for (const each of [cross, point, readout]) each.remove(); };
    plot.setAttribute("role", "slider");
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("aria-valuemin", 1);
    plot.setAttribute("aria-valuemax", hits.length);
    plot.setAttribute("aria-valuenow", hits.length);
    plot.setAttribute("aria-valuetext", (texts.at(-1) || "").replaceAll("\n", ", "));
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const place = Math.floor(((event.clientX - box.left) / box.width) * hits.length);
      show(Math.min(hits.length - 1, Math.max(0, place)));
    });
    plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hide(); });
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(at < 0 ? hits.length - 1 : at); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const now = at < 0 ? hits.length - 1 : at;
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7 }[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? hits.length - 1 : step === undefined ? null : now + step;
      if (event.key === "Escape") hide();
      if (to === null) return;
      event.preventDefault();
      show(Math.min(hits.length - 1, Math.max(0, to)));
    });
  };

  // ---- questions before a form is posted
  const ask = (form) => {
    const dialog = document.createElement("dialog");
    const text = document.createElement("p");
    text.textContent = form.dataset.confirm;
    const buttons = document.createElement("form");
    buttons.method = "dialog";
    for (const [value, label, kind] of [["no", "No, leave it", ""], ["yes", "Yes", "is-main"]]) {
      const button = document.createElement("button");
      button.value = value;
      button.textContent = label;
      button.className = kind;
      buttons.append(button);
    }
    dialog.append(text, buttons);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue === "yes") {
        delete form.dataset.confirm;
        form.requestSubmit();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  };
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.confirm) return;
    event.preventDefault();
    event.stopPropagation();
    ask(event.target);
  }, true);

  // ---- toasts: any script, or an answer's header HX-Trigger {"toast": "text"}
  document.addEventListener("toast", (event) => {
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = event.detail.value || event.detail;
    document.querySelector(".toasts").append(toast);
    setTimeout(() => toast.remove(), 6000);
  });

  // ---- renewal: not of pages that nobody sees, not under a focus, not of what is the same
  const connection = document.getElementById("connection");
  let lostAt = null;
  const lost = (text) => {
    lostAt = lostAt || new Date();
    connection.textContent = `${text} What you see is from before ${moment.format(lostAt)}; it is renewed as soon as possible.`;
    connection.hidden = false;
  };
  const found = () => { lostAt = null; connection.hidden = true; };
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && "live" in event.detail.elt.dataset) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target, requestConfig } = event.detail;
    // A form that asked for the part wants it in any case.
    if (xhr.status >= 400 || requestConfig.elt !== target) return;
    const etag = xhr.getResponseHeader("ETag");
    const busy = target.contains(document.activeElement) || target.querySelector(".readout, details[open], .is-dragged");
    if (busy || (etag && etag === target.dataset.etag)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const etag = event.detail.xhr.getResponseHeader("ETag");
    const swapped = document.getElementById(event.detail.target.id);
    if (swapped && etag) swapped.dataset.etag = etag;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, requestConfig, successful } = event.detail;
    if (!successful) return;
    found();
    if (!("pushes" in requestConfig.elt.dataset)) return;
    const address = new URL(xhr.responseURL);
    for (const [name, value] of [...address.searchParams]) if (!value || name === "part") address.searchParams.delete(name);
    history.replaceState(null, "", address);
  });
  document.addEventListener("htmx:sendError", () => lost("The collector does not answer."));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) location.reload();
    else lost(event.detail.xhr.status === 503 ? "The database is away." : `The collector answered ${event.detail.xhr.status}.`);
  });

  const prepare = (inside) => { tellTimes(inside); $("[data-chart]", inside).forEach(equip); };
  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt.parentElement || document));
  prepare(document);
})();
