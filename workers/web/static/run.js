// Keeps the page of a run fresh: its state, how far it has come, and what it logs. Without scripts: reload the page.
"use strict";
const part = document.getElementById("run");
const bar = document.getElementById("run-bar");
const state = document.getElementById("run-state");
const note = document.getElementById("run-note");
const log = document.getElementById("run-log");
let after = Number(part.dataset.after);
let over = part.dataset.over === "true";

function add(line) {
  const item = document.createElement("li");
  const at = document.createElement("time");
  at.textContent = line.at.slice(0, 19).replace("T", " ");
  const text = document.createElement("span");
  text.textContent = line.text;
  if (line.level === "error") text.className = "bad";
  item.append(at, " ", text);
  log.append(item);
  after = line.id;
}

async function update() {
  const answer = await fetch(`/jobs/${part.dataset.run}/fresh.json?after=${after}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const fresh = await answer.json();
  fresh.lines.forEach(add);
  state.textContent = fresh.run.state;
  note.textContent = fresh.run.error || fresh.run.reason || fresh.run.note || "";
  bar.value = fresh.run.progress || 0;
  // Its history and buttons are others now.
  if (fresh.run.ended_at && !over && !fresh.lines.length) location.reload();
}

async function go() {
  if (!document.hidden) await update().catch(() => {});
  if (!over) setTimeout(go, 1500);
}
if (!over) setTimeout(go, 1500);
