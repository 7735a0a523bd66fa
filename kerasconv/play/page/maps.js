"use strict";
/* The maps of every layer, and the choice of one value in them. */

const Maps = (() => {
	const { element, frame, pixels } = Draw;
	const NAMES = {
		conv: "convolution",
		pool: "pooling",
		dense: "Dense",
		activation: "activation",
		norm: "batch normalisation",
		flatten: "Flatten",
		dropout: "Dropout",
	};
	const POOLS = { max: "max", average: "average", lp: "Lp", weighted: "weighted" };
	const GAP = 2; // pixels between maps
	let panels = [];
	let [breadth, narrow] = [0, false];
	const spare = document.createElement("canvas");

	function title(layer, index) {
		const name = NAMES[layer.kind];
		const pool = layer.p === 2 ? "L2" : POOLS[layer.pool];
		return `${index + 1} · ${pool ? `${pool} ` : ""}${name}`;
	}

	/** One panel for each layer that makes maps, and a line for what only passes on. */
	function build(host, net, choose) {
		panels = [];
		host.replaceChildren();
		const last = net.layers.length - 1;
		net.layers.forEach((layer, index) => {
			const [high, wide, maps] = layer.shape;
			const told = { flatten: `Flatten: ${high * wide * maps} numbers in a row`, dropout: "Dropout: passes all on, except in training" }[layer.kind]; // prettier-ignore
			if (told) {
				host.append(element("p", { class: "passes" }, `${index + 1} · ${told}`));
				return;
			}
			const answers = index === last && high * wide === 1;
			const what = high * wide === 1 ? `${maps} number${maps > 1 ? "s" : ""}${answers ? ": the answer" : ""}` : `${maps} maps of ${high} × ${wide}`; // prettier-ignore
			const heading = element("h2", {}, title(layer, index));
			const line = element(
				"div",
				{ class: "head" },
				heading,
				element("span", {}, what),
			);
			host.append(line);
			const keys = "Arrow keys choose a value, Page Up and Page Down a map.";
			const box = element("div", {
				class: "panel",
				tabindex: "0",
				role: "application",
				"aria-label": `${title(layer, index)}, ${what}. ${keys}`,
			});
			const canvas = element("canvas");
			const frames = ["seen", "map", "cell"].map((kind) =>
				element("div", { class: `frame ${kind}` }),
			);
			box.append(canvas, ...frames);
			host.append(box);
			const panel = { index, layer, box, canvas, frames, high, wide, maps };
			panels.push(panel);
			box.addEventListener("keydown", (event) => press(event, panel, choose));
			const point = (event) => {
				const at = spot(panel, event);
				if (at) choose(index, ...at);
			};
			box.addEventListener("pointerdown", point);
			box.addEventListener(
				"pointermove",
				(event) => event.pointerType === "mouse" && point(event),
			);
		});
		measure();
	}

	/** How many maps stand in a row: 16, 8 on a phone; numbers stand closer. */
	function columns({ high, wide, maps }) {
		if (high * wide === 1) return Math.min(maps, narrow ? 16 : 32);
		return narrow || maps <= 8 ? 8 : 16;
	}

	/** Where map m stands in its panel, in CSS pixels. */
	function tile(panel, m) {
		const [across, gap] = [columns(panel), GAP];
		const width = (breadth + gap) / across - gap;
		const flat = panel.high * panel.wide === 1;
		const height = flat ? Math.min(24, width) : (width * panel.high) / panel.wide;
		const [row, column] = [Math.floor(m / across), m % across];
		const rows = Math.ceil(panel.maps / across);
		const whole = rows * (height + gap) - gap;
		return {
			left: column * (width + gap),
			top: row * (height + gap),
			width,
			height,
			whole,
		};
	}

	function spot(panel, event) {
		const box = panel.box.getBoundingClientRect();
		const drawn = breadth / box.width;
		const x = (event.clientX - box.left) * drawn;
		const y = (event.clientY - box.top) * drawn;
		const { width, height } = tile(panel, 0);
		const [column, row] = [
			Math.floor(x / (width + GAP)),
			Math.floor(y / (height + GAP)),
		];
		const m = row * columns(panel) + column;
		if (m < 0 || m >= panel.maps || column < 0 || column >= columns(panel)) return null;
		const at = tile(panel, m);
		const clip = (v, n) => Math.min(n - 1, Math.max(0, Math.floor(v * n)));
		return [
			clip((y - at.top) / height, panel.high),
			clip((x - at.left) / width, panel.wide),
			m,
		];
	}

	function press(event, panel, choose) {
		const { high, wide, maps } = panel;
		let [y, x, m] = panel.at || [high >> 1, wide >> 1, 0];
		const flat = high * wide === 1;
		const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]; // prettier-ignore
		if (event.key === "PageDown") m = (m + 1) % maps;
		else if (event.key === "PageUp") m = (m + maps - 1) % maps;
		else if (step && flat) m = (m + maps + step[1] + step[0] * columns(panel)) % maps;
		else if (step) {
			y = Math.min(high - 1, Math.max(0, y + step[0]));
			x = Math.min(wide - 1, Math.max(0, x + step[1]));
		} else if (event.key !== "Enter" && event.key !== " ") return;
		event.preventDefault();
		choose(panel.index, y, x, (m + maps) % maps);
	}

	/** Measures the panels; whether their width changed.

      Not at every drawing: reading it after a change costs a layout. */
	function measure() {
		const before = breadth;
		breadth = panels[0]?.box.clientWidth;
		narrow = innerWidth <= 640;
		return breadth !== before;
	}

	/** Draws all maps; the lightest of a layer is its largest value. */
	function draw(passed) {
		const dense = Math.min(2, devicePixelRatio || 1);
		for (const panel of panels) {
			const { values } = passed[panel.index + 1];
			const { canvas, high, wide, maps } = panel;
			const { whole } = tile(panel, 0);
			const [across, down] = [breadth * dense, whole * dense].map(Math.round);
			if (canvas.width !== across || canvas.height !== down) {
				canvas.width = across;
				canvas.height = down;
				canvas.style.height = `${whole}px`;
			}
			let most = 0;
			for (const v of values) most = Math.max(most, Math.abs(v));
			const context = canvas.getContext("2d");
			context.clearRect(0, 0, across, down);
			context.imageSmoothingEnabled = false;
			// All maps put into a spare canvas at once: each change of it costs a copy.
			const image = pixels(values, high, wide, maps, most, columns(panel));
			spare.width = image.width;
			spare.height = image.height;
			spare.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
			for (let m = 0; m < maps; m++) {
				const at = tile(panel, m);
				const edge = (v) => Math.round(v * dense);
				const [left, top] = [edge(at.left), edge(at.top)];
				const [right, bottom] = [edge(at.left + at.width), edge(at.top + at.height)];
				const [x, y] = [(m % columns(panel)) * wide, Math.floor(m / columns(panel)) * high]; // prettier-ignore
				context.drawImage(spare, x, y, wide, high, left, top, right - left, bottom - top); // prettier-ignore
			}
		}
	}

	/** Frames the chosen value, its map, and the window that it was made of before. */
	function select(chosen, window, seenMap, previous) {
		for (const panel of panels) {
			const [seen, map, cell] = panel.frames;
			const mine = chosen && panel.index === chosen.layer;
			panel.at = mine ? [...chosen.at, chosen.map] : panel.at;
			const { whole } = tile(panel, 0);
			const put = (it, show, m, top, left, bottom, right) => {
				const at = tile(panel, m);
				const [w, h] = [at.width / panel.wide, at.height / panel.high];
				frame(
					it,
					show,
					(at.left + left * w) / breadth,
					(at.top + top * h) / whole,
					((right - left + 1) * w) / breadth,
					((bottom - top + 1) * h) / whole,
				);
			};
			put(map, mine, mine ? chosen.map : 0, 0, 0, panel.high - 1, panel.wide - 1);
			const [y, x] = mine ? chosen.at : [0, 0];
			put(cell, mine && panel.high * panel.wide > 1, mine ? chosen.map : 0, y, x, y, x);
			const before = window && panel.index === previous;
			const box = window || { top: 0, left: 0, bottom: 0, right: 0 };
			put(seen, before, before ? seenMap : 0, box.top, box.left, box.bottom, box.right);
		}
	}

	/** The layers' names, where a pool was put in place of another. */
	function retitle(net) {
		for (const panel of panels) {
			panel.layer = net.layers[panel.index];
			panel.box.previousSibling.firstChild.textContent = title(
				panel.layer,
				panel.index,
			);
		}
	}

	return { build, draw, measure, retitle, select, title };
})();
