// The form of a pin: what is left of each text, and how the pin will look, while it is typed.
// Without it the limits are told, and the preview shows what was sent last.
"use strict";

(() => {
  const form = document.querySelector("[data-pin-form]");
  if (!form) return;

  // As the table counts: characters, not halves of them, without the space around.
  const length = (text) => [...text.trim()].length;
  const plural = (number) => `${number.toLocaleString("en")} character${number === 1 ? "" : "s"}`;
  const counts = [...form.querySelectorAll("[data-count-of]")];
  const count = (told) => {
    const field = document.getElementById(told.dataset.countOf);
    const left = Number(told.dataset.most) - length(field.value);
    told.textContent = left >= 0 ? `${plural(left)} left.` : `${plural(-left)} too many.`;
    told.classList.toggle("bad", left < 0);
    if (left < 0) field.setAttribute("aria-invalid", "true");
    else if (!field.closest(".field").querySelector(".error")) field.removeAttribute("aria-invalid");
  };
  const show = (place) => {
    const text = form.elements[place.dataset.shows].value.trim();
    place.textContent = text;
    place.hidden = !text;
  };
  const when = form.querySelector("[data-when]");
  const at = form.elements.publish_at;
  const zone = form.elements.zone;
  const tellWhen = () => {
    // What the clocks of the zone show now, in the form of the field, so that texts compare as times do.
    const now = new Intl.DateTimeFormat("sv-SE", { timeZone: zone.value, dateStyle: "short", timeStyle: "short" }).format().replace(" ", "T");
    when.textContent = at.value && at.value < now ? "This is past: the pin goes out at once." : `It is ${now.slice(11)} there now.`;
  };

  // The first page of a browser was made before its zone was known.
  if ("guessed" in zone.dataset) {
    zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone.value) zone.value = "UTC";
  }

  const tell = () => {
    counts.forEach(count);
    form.querySelectorAll("[data-shows]").forEach(show);
    tellWhen();
  };
  form.addEventListener("input", tell);
  tell();
  const refusal = document.getElementById("refusal");
  if (refusal) refusal.focus();
})();
