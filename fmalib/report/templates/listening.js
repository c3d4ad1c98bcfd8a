"use strict";
const rooms = JSON.parse(document.getElementById("rooms").textContent);
const get = (id) => document.getElementById(id);
let room = 0, coder = 0, blind = "", right = 0, asked = 0, secret = "";
let players = [];

const current = () => players[coder];
const start = (player) => player.play().catch(draw); // a browser may want a click first
const sounds = () => rooms[room].sounds;

function button(text, title, pressed, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.title = title;
    made.setAttribute("aria-pressed", pressed);
    made.addEventListener("click", action);
    return made;
}

function draw() {
    get("bitrates").replaceChildren(...rooms.map((each, number) =>
        button(each.kbps + " kbit/s", "", number === room, () => enter(number))));
    get("coders").replaceChildren(...sounds().map((each, number) =>
        button((number + 1) + " " + each.name, each.note, !blind && number === coder, () => choose(number))));
    const sound = sounds()[coder];
    get("name").textContent = blind || sound.name;
    get("note").textContent = blind ? "(hidden)" : sound.note;
    get("spectrogram").hidden = Boolean(blind);
    get("spectrogram").src = sound.image;
    get("spectrogram").alt = "Spectrogram, " + sound.name;
    get("play").textContent = current().paused ? "Play" : "Stop";
}

function choose(number, hidden = "") {
    if (number >= sounds().length) return;
    const before = current(), playing = !before.paused, place = before.currentTime;
    before.pause();
    coder = number;
    blind = hidden;
    current().currentTime = place;
    if (playing || hidden) start(current());
    draw();
}

function enter(number) {
    const before = players.length ? current() : null, playing = before && !before.paused;
    const place = before ? before.currentTime : 0, name = before ? sounds()[coder].name : "";
    if (before) before.pause();
    room = number;
    blind = "";
    players = sounds().map((each) => { const made = new Audio(each.audio); made.preload = "auto"; return made; });
    players.forEach((each) => ["play", "pause", "ended"].forEach((event) => each.addEventListener(event, draw)));
    coder = Math.max(0, sounds().findIndex((each) => each.name === name));
    current().currentTime = place;
    if (playing) start(current());
    const options = () => sounds().map((each, index) => new Option(each.name, index));
    get("first").replaceChildren(...options());
    get("second").replaceChildren(...options());
    get("second").value = Math.min(1, sounds().length - 1);
    restart();
    draw();
}

function toggle() {
    if (current().paused) start(current()); else current().pause();
}

function restart() {
    right = asked = 0;
    secret = Math.random() < 0.5 ? "first" : "second";
    get("score").textContent = "No answer yet.";
}

// The chance to be right as often by guessing: a sum of binomial terms.
function chance(hits, trials) {
    let term = Math.pow(0.5, trials), total = 0;
    for (let k = 0; k <= trials; k++) {
        if (k >= hits) total += term;
        term *= (trials - k) / (k + 1);
    }
    return total;
}

function answer(name) {
    asked += 1;
    right += name === secret;
    secret = Math.random() < 0.5 ? "first" : "second";
    const percent = (100 * chance(right, asked)).toFixed(1);
    get("score").textContent = right + " of " + asked + " right; by guessing: " + percent + " % of listeners do as well.";
}

const hear = (id, name) => choose(Number(get(id).value), name);
get("hear-a").addEventListener("click", () => hear("first", "A"));
get("hear-b").addEventListener("click", () => hear("second", "B"));
get("hear-x").addEventListener("click", () => hear(secret, "X"));
get("is-a").addEventListener("click", () => answer("first"));
get("is-b").addEventListener("click", () => answer("second"));
["first", "second"].forEach((id) => get(id).addEventListener("change", restart));
get("play").addEventListener("click", toggle);
get("place").addEventListener("input", (event) => {
    if (current().duration) current().currentTime = event.target.value * current().duration;
});

document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|INPUT)$/.test(event.target.tagName)) return;
    const keys = { a: "hear-a", b: "hear-b", x: "hear-x" };
    if (event.key >= "1" && event.key <= "9") choose(Number(event.key) - 1);
    else if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else if (event.key === "ArrowUp" && room > 0) enter(room - 1);
    else if (event.key === "ArrowDown" && room < rooms.length - 1) enter(room + 1);
    else if (keys[event.key]) get(keys[event.key]).click();
    else return;
    event.preventDefault();
});

function follow() {
    const share = current().duration ? current().currentTime / current().duration : 0;
    get("cursor").style.left = 100 * share + "%";
    get("time").textContent = current().currentTime.toFixed(1) + " s";
    if (document.activeElement !== get("place")) get("place").value = share;
    requestAnimationFrame(follow);
}

enter(Math.max(0, rooms.findIndex((each) => each.kbps === "16")));
follow();
