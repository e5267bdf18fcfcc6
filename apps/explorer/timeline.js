// One view: a player and the moments under it on one axis (drawn by `Drawing`).

const views = new WeakMap();
const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4];
const HAIR = 0.02; // seconds: a stretch is over this close to its end
const PATIENCE = 3000; // milliseconds: a step that brought nothing by then is forgotten
const NARROWEST = 0.5; // seconds on screen at the deepest zoom

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) {
    view = new View(root);
    views.set(root, view);
  }
  view.update(component);
  return () => {
    view.close();
    views.delete(root);
  };
}

class View extends Drawing {
  constructor(root) {
    super();
    this.place = root.querySelector(".view");
    this.video = this.place.querySelector("video");
    this.video.disableRemotePlayback = true;
    this.part = (name) => this.place.querySelector(`.${name}`);
    this.until = null; // seconds at which playing stops
    this.wanted = null; // place of the query that was asked for and is not here yet
    this.pressed = 0;
    this.hasKeys = true;
    this.from = 0; // what the axis shows, in seconds
    this.to = 1;
    this.duration = 1;
    this.closing = new AbortController();
    const on = (target, type, listener) =>
      target.addEventListener(type, listener, { signal: this.closing.signal });

    on(this.part("previous"), "click", () => this.step(-1));
    on(this.part("next"), "click", () => this.step(1));
    on(this.part("toggle"), "click", () => this.toggle());
    on(this.part("closer"), "click", () => this.zoom(0.5));
    on(this.part("wider"), "click", () => this.zoom(2));
    on(this.part("whole"), "click", () => this.show(0, this.duration));
    on(this.part("speed"), "change", (event) => {
      this.video.playbackRate = Number(event.target.value);
    });
    on(this.part("tracks"), "click", (event) => this.pick(event));
    on(this.part("tracks"), "wheel", (event) => this.wheel(event));
    on(this.part("ruler"), "click", (event) => this.pick(event));
    on(this.part("shortcuts"), "change", (event) => {
      this.hasKeys = event.target.checked;
    });
    on(document, "keydown", (event) => this.key(event));
    for (const type of ["play", "pause"]) on(this.video, type, () => this.paint());
    on(this.video, "loadedmetadata", () => this.measure());
    on(this.video, "seeked", () => this.tell());
    on(this.video, "pause", () => this.tell());
    on(this.video, "error", () => this.fail());
    for (const rate of SPEEDS) {
      const option = make("option", "", `${rate}×`);
      option.value = rate;
      option.selected = rate === 1;
      this.part("speed").append(option);
    }
    const tick = () => {
      if (this.closing.signal.aborted) return;
      this.paint();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  close() {
    this.closing.abort();
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load(); // lets go of the connection
  }

  // What Python sends: {id, title, facts, src, message, start, steps, timeline}
  update({ data, setStateValue, setTriggerValue }) {
    this.setStateValue = setStateValue;
    this.setTriggerValue = setTriggerValue;
    this.steps = data.steps;
    if (data.steps?.at === this.wanted) this.wanted = null;
    const same = data.id === this.id;
    const playing = data.src || "";
    if (playing !== this.src) {
      this.src = playing;
      this.video.pause();
      if (playing) this.video.src = playing;
      else this.video.removeAttribute("src");
      this.video.load();
    }
    this.video.hidden = !playing;
    for (const name of ["title", "facts"]) {
      this.part(name).textContent = data[name] || "";
      this.part(name).hidden = !data[name];
    }
    this.part("message").textContent = data.message || "";
    this.part("message").hidden = !data.message;
    for (const name of ["previous", "next"]) this.part(name).hidden = !data.steps;
    this.keys(data);
    const drawn = JSON.stringify(data.timeline);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.timeline = data.timeline;
      this.duration = Math.max(data.timeline.duration, 1e-3);
      if (!same) this.show(0, this.duration);
      else this.draw();
    }
    if (!same) {
      this.id = data.id;
      this.until = null;
      this.marked = null;
      const start = data.start ?? this.first();
      this.told = Math.round(start * 100) / 100;
      if (playing) this.seek(start);
    }
    this.paint();
  }

  // Without truth, nothing but the recording itself knows how long it is.
  measure() {
    const known = this.timeline.lanes.some((lane) => lane.kind === "truth");
    if (!known && Number.isFinite(this.video.duration)) {
      this.duration = this.video.duration;
      this.show(0, this.duration);
    }
    this.paint();
  }

  keys(data) {
    const bars = data.timeline.lanes.map((lane, i) => [[`${i + 1}`], lane.kind === "truth" ? "truth" : ""]);
    const shown = [
      [["space"], "play"],
      ...(data.steps ? [[["N"], "next"], [["P"], "previous"]] : []),
      ...bars.slice(0, 9),
      [["←", "→"], "a second"],
      [["+", "−", "0"], "zoom"],
    ];
    const parts = shown.map(([keys, text], i) => {
      const last = bars.length > 1 && i === shown.length - 3 ? "best answers" : text;
      const part = make("span", "");
      part.append(...keys.map((key) => make("kbd", "", key)), ` ${last} `);
      return part;
    });
    this.part("keys").replaceChildren(...parts);
  }

  // Where a new query opens: at the first true moment, else at the best answer.
  first() {
    for (const lane of this.timeline.lanes) {
      if (lane.bars.length) return lane.bars[0].start;
    }
    return 0;
  }

  // Python hears only the last of several quick presses, so each says where all of them lead.
  step(by) {
    if (!this.steps) return;
    const now = performance.now();
    const isPending = this.wanted !== null && now - this.pressed < PATIENCE;
    const from = isPending ? this.wanted : this.steps.at;
    this.wanted = Math.min(Math.max(from + by, 0), this.steps.total - 1);
    this.pressed = now;
    this.setTriggerValue("place", this.wanted);
  }

  toggle() {
    this.until = null;
    this.mark(null);
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  seek(seconds) {
    const place = Math.min(Math.max(seconds, 0), this.duration);
    // before the metadata is there, a browser keeps this as the place to begin
    this.video.currentTime = place;
    if (place < this.from || place > this.to) this.zoom(1, place);
    this.paint();
  }

  play(bar, button) {
    this.mark(button);
    this.seek(bar.start);
    this.until = Math.max(bar.end, bar.start + 0.2);
    this.video.play().catch(() => {});
    const span = this.to - this.from;
    if (bar.end - bar.start > span) this.show(bar.start, bar.end);
    else if (bar.start < this.from || bar.end > this.to) this.zoom(1, (bar.start + bar.end) / 2);
  }

  mark(button) {
    if (this.marked) this.marked.classList.remove("on");
    this.marked = button;
    if (button) button.classList.add("on");
  }

  fail() {
    if (!this.src) return;
    this.part("message").textContent = "The browser cannot play this recording.";
    this.part("message").hidden = false;
  }

  // Tells Python where the player stands; only when it rests, so that playing costs no rerun.
  tell() {
    if (!this.video.paused) return;
    const time = Math.round(this.video.currentTime * 100) / 100;
    if (time === this.told) return;
    this.told = time;
    this.setStateValue("time", time);
  }

  pick(event) {
    if (event.target.closest("button")) return;
    const box = this.part("ruler").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    if (share < 0 || share > 1) return;
    this.until = null;
    this.mark(null);
    this.seek(this.from + share * (this.to - this.from));
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const box = this.part("ruler").getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const move = event.deltaY || event.deltaX;
    if (event.shiftKey) {
      const by = Math.sign(move) * 0.15 * (this.to - this.from);
      this.show(this.from + by, this.to + by);
    } else {
      const here = this.from + share * (this.to - this.from);
      const span = (this.to - this.from) * (move > 0 ? 1.25 : 0.8);
      this.show(here - share * span, here + (1 - share) * span);
    }
  }

  zoom(factor, around = this.video.currentTime) {
    const half = ((this.to - this.from) * factor) / 2;
    this.show(around - half, around + half);
  }

  show(from, to) {
    const span = Math.min(Math.max(to - from, NARROWEST), this.duration);
    this.from = Math.min(Math.max(from, 0), this.duration - span);
    this.to = this.from + span;
    this.draw();
  }

  key(event) {
    const where = event.composedPath()[0];
    const typing = where.closest?.("input, textarea, select, [contenteditable], [role=combobox]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = where.closest?.("button, a, summary, [role=tab], [role=slider]");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    let done = true;
    if ((key === "ArrowDown" || key === "ArrowUp") && where.classList?.contains("bar")) {
      const bars = [...where.parentElement.querySelectorAll(".bar")];
      bars[bars.indexOf(where) + (key === "ArrowDown" ? 1 : -1)]?.focus();
    } else if (!this.hasKeys) return;
    else if (key === " " && !onButton) this.toggle();
    else if (key === "n") this.step(1);
    else if (key === "p") this.step(-1);
    else if (key === "ArrowLeft" || key === "ArrowRight") {
      if (where.closest?.("[role=slider], [role=tab], [role=listbox], video")) return;
      const by = (event.shiftKey ? 0.1 : 1) * (key === "ArrowLeft" ? -1 : 1);
      this.until = null;
      this.seek(this.video.currentTime + by);
    } else if (key === "+" || key === "=") this.zoom(0.5);
    else if (key === "-") this.zoom(2);
    else if (key === "0") this.show(0, this.duration);
    else if (key >= "1" && key <= "9") {
      const button = this.part("tracks").querySelector(`[data-lane="${Number(key) - 1}"] .bar`);
      if (button) button.click();
      else done = false;
    } else done = false;
    if (done) event.preventDefault();
  }

  paint() {
    const now = this.video.currentTime || 0;
    if (this.until !== null && now >= this.until - HAIR && !this.video.paused) {
      this.until = null;
      this.video.pause();
    }
    const isPlaying = !this.video.paused;
    if (isPlaying && this.until === null && now > this.to && this.to < this.duration) {
      this.show(now, now + (this.to - this.from));
    }
    const share = (now - this.from) / (this.to - this.from);
    const head = this.part("head");
    head.hidden = share < 0 || share > 1 || !this.src;
    head.style.left = `${100 * share}%`;
    const label = isPlaying ? "Pause" : "Play";
    const toggle = this.part("toggle");
    if (toggle.textContent !== label) toggle.textContent = label;
    const text = `${clock(now)} / ${clock(this.duration)}`;
    if (this.part("clock").textContent !== text) this.part("clock").textContent = text;
    toggle.disabled = !this.src;
  }
}
