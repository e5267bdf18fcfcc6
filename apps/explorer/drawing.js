// Lanes of moments, curves and saliency on one axis. A view that extends this has `part(name)`,
// `timeline`, `duration`, `from`, `to` and `video`, and can `play(bar, button)` and `seek(seconds)`.

class Drawing {
  draw() {
    this.ruler();
    const rows = this.part("tracks");
    const hadFocus = rows.getRootNode().activeElement?.dataset?.bar;
    rows.replaceChildren();
    let runs = 0;
    this.timeline.lanes.forEach((lane, index) => {
      const hue = lane.kind === "truth" ? "--truth" : `--run-${runs++ % 5}`;
      rows.append(this.lane(lane, index, hue));
    });
    if (this.timeline.saliency.length) rows.append(this.saliency());
    if (hadFocus) rows.querySelector(`[data-bar="${CSS.escape(hadFocus)}"]`)?.focus();
  }

  share(seconds) {
    return (100 * (seconds - this.from)) / (this.to - this.from);
  }

  ruler() {
    const span = this.to - this.from;
    const wanted = Math.max(2, Math.floor(this.part("ruler").clientWidth / 80)) || 6;
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const step = steps.find((s) => span / s <= wanted) || 7200;
    const ruler = this.part("ruler");
    ruler.replaceChildren();
    for (let at = Math.ceil(this.from / step) * step; at <= this.to + 1e-9; at += step) {
      const tick = make("span", "tick", clock(at, step < 1 ? 1 : 0));
      tick.style.left = `${this.share(at)}%`;
      if (this.share(at) > 96) tick.classList.add("last");
      ruler.append(tick);
    }
  }

  lane(lane, index, hue) {
    const row = make("div", `lane ${lane.kind}`);
    row.dataset.lane = index;
    row.style.setProperty("--hue", `var(${hue})`);
    const label = make("div", "label");
    label.append(make("span", "name", lane.name));
    if (lane.note) label.append(make("span", "note", lane.note));
    label.title = lane.note ? `${lane.name}: ${lane.note}` : lane.name;
    const track = make("div", "track");
    if (lane.curve?.length) track.append(this.curve(lane));
    const rows = stack(lane.bars);
    track.style.setProperty("--rows", Math.max(1, ...rows.map((r) => r + 1)));
    lane.bars.forEach((bar, at) => {
      const button = make("button", bar.rank > 1 ? "bar lesser" : "bar");
      button.type = "button";
      button.tabIndex = at ? -1 : 0; // one stop a lane; up and down reach the others
      button.style.left = `${this.share(bar.start)}%`;
      button.style.width = `${this.share(bar.end) - this.share(bar.start)}%`;
      button.style.setProperty("--row", rows[at]);
      button.dataset.bar = `${index}-${at}`;
      button.title = `${lane.name}: ${bar.label}. Click to play just this.`;
      button.setAttribute("aria-label", `Play ${lane.name}: ${bar.label}`);
      // a number that is cut off is another number
      const width = ((bar.end - bar.start) / (this.to - this.from)) * this.part("ruler").clientWidth;
      if (bar.score !== undefined && width > 34) {
        button.append(make("span", "score", bar.score.toFixed(2)));
      }
      button.addEventListener("click", () => this.play(bar, button));
      track.append(button);
    });
    if (lane.kind === "truth" && this.timeline.glance !== null) {
      const glance = make("button", "glance");
      glance.type = "button";
      glance.style.left = `${this.share(this.timeline.glance)}%`;
      glance.title = `glance at ${clock(this.timeline.glance)}. Click to see it.`;
      glance.setAttribute("aria-label", `Show the glance at ${clock(this.timeline.glance)}`);
      glance.addEventListener("click", () => {
        this.until = null;
        this.video.pause();
        this.seek(this.timeline.glance);
      });
      track.append(glance);
    }
    row.append(label, track);
    return row;
  }

  curve(lane) {
    const space = "http://www.w3.org/2000/svg";
    const picture = document.createElementNS(space, "svg");
    picture.setAttribute("class", "curve");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("viewBox", "0 0 100 100");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${lane.name}: score over time`);
    const clip = this.duration / lane.curve.length;
    const points = lane.curve.flatMap((value, i) => {
      const height = (100 - 96 * value).toFixed(1);
      return [`${this.share(i * clip).toFixed(3)},${height}`, `${this.share((i + 1) * clip).toFixed(3)},${height}`];
    });
    const area = document.createElementNS(space, "polygon");
    const ends = [`${this.share(0)},100`, ...points, `${this.share(this.duration)},100`];
    area.setAttribute("points", ends.join(" "));
    picture.append(area);
    return picture;
  }

  saliency() {
    const row = make("div", "lane saliency");
    const label = make("div", "label");
    label.append(make("span", "name", "saliency"));
    const track = make("div", "track");
    for (const clip of this.timeline.saliency) {
      const cell = make("span", "cell");
      cell.style.left = `${this.share(clip.start)}%`;
      cell.style.width = `${this.share(clip.end) - this.share(clip.start)}%`;
      cell.style.setProperty("--value", clip.value);
      cell.title = `saliency ${clip.value.toFixed(2)}`;
      track.append(cell);
    }
    row.append(label, track);
    return row;
  }
}

// Bars that overlap go below each other, the better one on top.
function stack(bars) {
  const ends = [];
  const rows = new Array(bars.length).fill(0);
  bars.forEach((bar, i) => {
    let row = 0;
    while ((ends[row] || []).some((other) => other.start < bar.end && bar.start < other.end)) row += 1;
    (ends[row] ||= []).push(bar);
    rows[i] = row;
  });
  return rows;
}
