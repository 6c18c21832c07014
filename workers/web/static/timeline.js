// Keeps the timeline fresh, and moves in it without loading the page again. All of it works without this, too.
"use strict";
const root = document.getElementById("timeline");
const note = document.getElementById("live-note");
const pause = document.getElementById("live-pause");
const readout = document.getElementById("timeline-readout");
const said = document.getElementById("timeline-said");
const hint = readout.textContent;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const shown = new Map();
const FOLLOWS = { ArrowLeft: -1, ArrowRight: 1 };
const PRESSES = { "+": "in", "=": "in", "-": "out", "_": "out" };
let mark = "";
let paused = false;
let asked = 0;
let last = "";

// What tells a link or the picture from all others, also after it was drawn anew: a bar's address says it.
const keyOf = (one) => one.dataset?.key ?? one.getAttribute("href");
const find = (key) => [...root.querySelectorAll("[data-key], a.bar")].find((one) => keyOf(one) === key);
const bars = () => [...root.querySelectorAll("a.bar")];

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  note.textContent = paused ? "paused" : "live";
});

// One bar is reached by Tab, the others by arrows.
function rove() {
  const all = bars();
  const stop = all.find((bar) => keyOf(bar) === last) || all.find((bar) => bar.hasAttribute("aria-current")) || all[0];
  for (const bar of all) bar.tabIndex = bar === stop ? 0 : -1;
}

// Puts new parts in, and leaves the focus and what was unfolded as they were.
function show(sections) {
  for (const [id, html] of Object.entries(sections)) {
    const section = document.getElementById(id);
    if (!section || shown.get(id) === html) continue;
    const held = section.contains(document.activeElement) ? keyOf(document.activeElement) : undefined;
    const unfolded = [...section.querySelectorAll("details[open]")].map(keyOf);
    section.innerHTML = html;
    shown.set(id, html);
    for (const one of section.querySelectorAll("details")) one.open = unfolded.includes(keyOf(one));
    if (held) (find(held) || find("chart"))?.focus({ preventScroll: true });
  }
  rove();
}

async function load(search) {
  const mine = ++asked;
  const headers = { Accept: "application/json", ...(mark && { "If-None-Match": mark }) };
  try {
    const answer = await fetch(`/timeline.json${search}`, { headers });
    if (answer.status === 401) {
      location.assign(`/signin?next=${encodeURIComponent(`/timeline${search}`)}`);
      return;
    }
    if (answer.status !== 200 && answer.status !== 304) throw new Error(answer.statusText);
    const fresh = answer.status === 200 ? await answer.json() : null;
    // Somebody has moved on meanwhile, and this is the answer to where they were.
    if (mine !== asked) return;
    if (fresh) {
      show(fresh.sections);
      mark = answer.headers.get("ETag") || "";
    }
    const at = new Date(answer.headers.get("Date") || Date.now());
    if (!paused) note.textContent = `live, ${at.toISOString().slice(11, 19)} UTC`;
    note.classList.remove("bad");
  } catch {
    note.textContent = "the server does not answer: what you see is old";
    note.classList.add("bad");
  }
}

function tellForm() {
  const now = new URLSearchParams(location.search);
  for (const name of ["since", "until", "last"]) {
    const field = document.getElementById(`f-${name}`);
    if (field) field.value = now.get(name) || (name === "last" ? "7d" : "");
  }
}

async function go(href, list) {
  history.pushState(null, "", href);
  tellForm();
  await load(location.search);
  if (list) {
    const events = document.getElementById("timeline-events");
    events.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    said.textContent = `${events.querySelectorAll("tbody tr").length} events are listed below.`;
  }
}

function read(bar) {
  readout.textContent = bar ? bar.querySelector("title").textContent : hint;
}

// The bar of a lane that is nearest to a place: bars are narrow for a finger.
function nearest(lane, x) {
  const middle = (bar) => {
    const box = bar.querySelector(".hit").getBoundingClientRect();
    return box.left + box.width / 2;
  };
  const found = [...lane.querySelectorAll("a.bar")];
  return found.sort((one, other) => Math.abs(middle(one) - x) - Math.abs(middle(other) - x))[0];
}

// From bar to bar in a lane, or to the nearest bar of the lane above or below.
function step(bar, key) {
  const lane = bar.closest(".lane");
  if (key in FOLLOWS) {
    const all = [...lane.querySelectorAll("a.bar")];
    return all[all.indexOf(bar) + FOLLOWS[key]];
  }
  const lanes = [...root.querySelectorAll(".lane")];
  const next = lanes[lanes.indexOf(lane) + (key === "ArrowDown" ? 1 : -1)];
  const box = bar.querySelector(".hit").getBoundingClientRect();
  return next && nearest(next, box.left + box.width / 2);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest(".chart")) return;
  const bar = event.target.closest("a.bar");
  const along = event.key in FOLLOWS;
  let move = PRESSES[event.key];
  if (along && (!bar || event.shiftKey)) move = event.key === "ArrowLeft" ? "earlier" : "later";
  if (move) find(move)?.click();
  else if (bar && event.key.startsWith("Arrow")) step(bar, event.key)?.focus();
  else if (bar && event.key === "Escape") find("chart").focus();
  else if (!bar && (event.key === "Enter" || event.key === "ArrowDown")) root.querySelector('a.bar[tabindex="0"]')?.focus();
  else return;
  event.preventDefault();
}

root.addEventListener("keydown", press);
root.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
  const lane = event.target.closest(".lane");
  const link = event.target.closest("a.go") || (lane && nearest(lane, event.clientX));
  if (!link) return;
  event.preventDefault();
  const picks = link.classList.contains("bar");
  if (picks) {
    last = keyOf(link);
    read(link);
  }
  go(link.getAttribute("href"), picks);
});
root.addEventListener("mouseover", (event) => {
  const bar = event.target.closest("a.bar");
  if (bar) read(bar);
});
root.addEventListener("focusin", (event) => {
  const bar = event.target.closest("a.bar");
  if (!bar) return;
  last = keyOf(bar);
  read(bar);
  rove();
});
addEventListener("popstate", () => {
  tellForm();
  load(location.search);
});

// A range that takes long to count is asked for the more seldom.
async function live() {
  const began = performance.now();
  if (!paused && !document.hidden) await load(location.search);
  setTimeout(live, Math.max(3000, 10 * (performance.now() - began)));
}
rove();
setTimeout(live, 3000);
