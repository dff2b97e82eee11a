// Keys, for pages that work without them: a link or a field says by data-key which key goes there.
"use strict";

const entries = () => [...document.querySelectorAll("a.entry")];

function move(step) {
  const all = entries();
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  if (next) {
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

function press(key) {
  const target = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (!target) {
    return false;
  }
  if (target.matches("input")) {
    target.focus();
    target.select();
  } else {
    target.click();
  }
  return true;
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing) {
    event.target.blur();
  }
  if (typing || event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  const keys = document.getElementById("keys");
  if (event.key === "j") {
    move(1);
  } else if (event.key === "k") {
    move(-1);
  } else if (event.key === "?") {
    keys.open = !keys.open;
    keys.scrollIntoView({ block: "nearest" });
  } else if (event.key.length !== 1 || !press(event.key)) {
    return;
  }
  event.preventDefault();
});
