// The calendar of pins: days of the viewer's zone, and moving a pin to another day by dragging it.
// Without it, days are those of a chosen zone, and the form on each card moves a pin.
"use strict";

(() => {
  const part = () => document.getElementById("part-calendar");
  const renew = () => window.htmx.ajax("GET", part().getAttribute("hx-get"), { target: "#part-calendar", swap: "outerHTML" });
  const say = (text) => document.dispatchEvent(new CustomEvent("toast", { detail: text }));

  // The first page of a browser was made before its zone was known; console.js has kept that by now.
  const shown = document.querySelector("[data-zone-shown]");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (shown && shown.dataset.zoneShown !== zone && !("zoneChosen" in shown.dataset) && document.cookie.includes("tz=")) renew();

  let dragged = null;
  const over = (event) => dragged && event.target.closest(".day");
  const mark = (day) => {
    for (const each of document.querySelectorAll(".day.is-target")) if (each !== day) each.classList.remove("is-target");
    if (day) day.classList.add("is-target");
  };
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest && event.target.closest("[data-pin]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.querySelector(".text").textContent);
    dragged.classList.add("is-dragged");
  });
  document.addEventListener("dragover", (event) => {
    const day = over(event);
    if (day) event.preventDefault();
    mark(day && !day.contains(dragged) ? day : null);
  });
  document.addEventListener("dragend", () => {
    if (dragged) dragged.classList.remove("is-dragged");
    dragged = null;
    mark(null);
  });
  document.addEventListener("drop", (event) => {
    const day = over(event);
    if (!day) return;
    event.preventDefault();
    if (!day.contains(dragged)) move(dragged, day);
  });

  const move = async (card, day) => {
    const form = card.querySelector("form");
    const [home, after] = [card.parentElement, card.nextSibling];
    const body = new URLSearchParams(new FormData(form));
    body.set("day", day.dataset.day);
    day.querySelector(".pins").append(card);
    card.classList.add("is-waiting");
    let refused = "The collector does not answer; nothing was changed.";
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", headers: { Accept: "text/plain" } });
      // The way back to the calendar; what else comes is a reason.
      refused = answer.type === "opaqueredirect" ? null : await answer.text();
    } catch { /* it is said below */ }
    if (refused !== null) {
      card.classList.remove("is-waiting");
      home.insertBefore(card, after);
      say(`Not moved: ${refused}`);
      return;
    }
    say(`Moved to ${day.querySelector(".pins").getAttribute("aria-label").replace("Pins of ", "")}.`);
    await renew();
  };
})();
