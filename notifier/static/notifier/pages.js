// What the pages can do more with JavaScript: keys, the viewer's time zone, looking again by itself. All else works
// without.
"use strict";

const OFF = "alerts-keys-off";
const dialog = document.getElementById("keys");

// The zone of the browser, for the times of the pages from now on; this page is asked for again, once.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const has = (name) => document.cookie.split("; ").includes(name);
  if (!zone || !/^[\w+\-/]+$/.test(zone) || has(`alerts_zone=${zone}`)) return;
  document.cookie = `alerts_zone=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  const shown = document.body.dataset.zone;
  if (shown && shown !== zone && has(`alerts_zone=${zone}`)) location.reload();
})();

const keysAreOff = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };
const isTyping = (element) => element.closest("input, select, textarea, [contenteditable]") !== null;

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[Math.min(Math.max(at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step, 0), rows.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// On an alert's page the button is chosen, so that Enter presses it and a slip of the finger does nothing; in a list,
// the alert that is chosen opens there.
function choose(name) {
  const button = document.querySelector(`[data-key="${name}"]`);
  if (button) { button.focus(); button.scrollIntoView({ block: "nearest" }); return; }
  const row = document.activeElement.closest("a[data-row]");
  if (row) location.href = `${row.href}#${name === "a" ? "acknowledge" : "resolve"}`;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || dialog?.open) return;
  if (event.key === "?" && dialog) { dialog.showModal(); event.preventDefault(); return; }
  if (keysAreOff()) return;
  const act = { j: () => move(1), k: () => move(-1), a: () => choose("a"), r: () => choose("r") }[event.key];
  if (act) { act(); event.preventDefault(); }
});

if (dialog) {
  const toggle = dialog.querySelector("[value=toggle]");
  const label = () => { toggle.textContent = keysAreOff() ? toggle.dataset.off : toggle.dataset.on; };
  toggle.addEventListener("click", (event) => {
    event.preventDefault();
    try { localStorage.setItem(OFF, keysAreOff() ? "0" : "1"); } catch { /* then they stay on */ }
    label();
  });
  label();
}

// A link to an alert's button chooses it.
if (location.hash === "#acknowledge" || location.hash === "#resolve") {
  document.querySelector(location.hash)?.focus();
}

// Look again by itself, while nobody is in the middle of something and the page can be seen.
const live = document.getElementById("live");
if (live) {
  setInterval(async () => {
    const busy = document.hidden || live.contains(document.activeElement) || live.querySelector("details[open]");
    if (busy || !getSelection().isCollapsed) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const news = page.getElementById("live");
      if (!news || live.contains(document.activeElement)) return;
      live.replaceChildren(...news.childNodes);
      document.title = page.title;
      document.querySelector("footer").replaceWith(page.querySelector("footer"));
    } catch { /* the next time, perhaps */ }
  }, Number(live.dataset.refresh) * 1000);
}
