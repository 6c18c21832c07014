// Keeps the sections of the status page fresh. Where scripts are off the page loads itself again instead.
"use strict";
const note = document.getElementById("live-note");
const button = document.getElementById("live-pause");
const shown = new Map();
let paused = false;

button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  note.textContent = paused ? "paused" : "live";
});

async function update() {
  try {
    const answer = await fetch("/status.json", { headers: { Accept: "application/json" } });
    if (answer.status === 401) {
      location.assign("/signin?next=%2F");
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = await answer.json();
    if (paused) return;
    for (const [id, html] of Object.entries(fresh.sections)) {
      const section = document.getElementById(id);
      // What somebody has the keyboard on is left alone until they move on.
      if (!section || shown.get(id) === html || section.contains(document.activeElement)) continue;
      section.innerHTML = html;
      shown.set(id, html);
    }
    note.textContent = `live, ${fresh.at} UTC`;
    note.classList.remove("bad");
  } catch {
    note.textContent = "the server does not answer: what you see is old";
    note.classList.add("bad");
  }
}

async function go() {
  if (!paused && !document.hidden) await update();
  setTimeout(go, 2000);
}
setTimeout(go, 2000);
