"use strict";
/* What is drawn: colours, numbers, small elements, and the pad that takes a digit. */

const Draw = (() => {
	/** From nothing (night) to the largest value (light), for every channel. */
	const NIGHT = [[18, 17, 26], [70, 46, 98], [190, 74, 92], [245, 158, 84], [255, 244, 214]]; // prettier-ignore
	const COLD = [[18, 17, 26], [32, 66, 120], [52, 130, 198], [140, 206, 236], [228, 248, 255]]; // prettier-ignore

	/** The colours of 1,024 strengths, a whole number each, as a canvas holds them. The
	    root lifts what is faint, as a screen's own curve does. */
	function ramp(stops) {
		return Uint32Array.from({ length: 1024 }, (_, i) => {
			const at = (i / 1023) ** 0.6 * (stops.length - 1);
			const k = Math.min(Math.floor(at), stops.length - 2);
			const mixed = stops[k].map((c, j) => c + (at - k) * (stops[k + 1][j] - c));
			const [r, g, b] = mixed.map(Math.round);
			return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
		});
	}
	const [WARM, BLUE] = [ramp(NIGHT), ramp(COLD)];

	/** A number short enough for a cell: .34, -.5, 12.3. */
	function short(value) {
		const size = Math.abs(value);
		const text = size.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
		const bare = text
			.replace(/^0\./, ".")
			.replace(/^\.00$/, "0")
			.replace(/\.0+$/, "");
		return value < 0 && bare !== "0" ? `−${bare}` : bare;
	}

	/** An element with attributes, and children or text. */
	function element(tag, attributes = {}, ...children) {
		const made = document.createElement(tag);
		for (const [name, value] of Object.entries(attributes))
			if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
			else if (value !== null && value !== false) made.setAttribute(name, value);
		made.append(...children.filter((child) => child !== null));
		return made;
	}

	/** Writes a text where another stands: one that is put in anew is laid out anew. */
	function write(node, text) {
		if (node.textContent !== text) node.textContent = text;
	}

	/** The paper behind a number: orange for more than 0, blue for less. */
	function tint(value, most) {
		const strength = Math.min(0.55, (0.55 * Math.abs(value)) / (most || 1));
		const hue = value < 0 ? "48,128,236" : "244,124,32";
		return `background:rgba(${hue},${strength.toFixed(3)})`;
	}

	/** Maps of values (height x width x maps) as one image, `across` in a row: light is
	    large, blue is negative, and `most` is the strongest. */
	function pixels(values, height, width, maps, most, across = 1) {
		const wide = across * width;
		const image = new ImageData(wide, height * Math.ceil(maps / across));
		const colours = new Uint32Array(image.data.buffer);
		const scale = 1023 / (most || 1);
		for (let m = 0; m < maps; m++) {
			const first = Math.floor(m / across) * height * wide + (m % across) * width;
			for (let y = 0, i = m; y < height; y++)
				for (let x = 0; x < width; x++, i += maps) {
					const strength = Math.min(1023, Math.round(Math.abs(values[i]) * scale));
					colours[first + y * wide + x] = (values[i] < 0 ? BLUE : WARM)[strength];
				}
		}
		return image;
	}

	/** Places a frame over a part of a box, in shares of the box. */
	function frame(it, show, left = 0, top = 0, width = 0, height = 0) {
		it.style.display = show ? "block" : "none";
		const share = { left, top, width, height };
		for (const side of Object.keys(share)) it.style[side] = `${100 * share[side]}%`;
	}

	/* ---------------------------------------------------------------- the pad */

	/** A pad that a pointer, a finger or the arrow keys draw on; `changed` hears of it. */
	function pad(box, changed) {
		const canvas = box.querySelector("canvas");
		const pen = box.querySelector("#pen");
		let [height, width, maps] = [28, 28, 1];
		let values = new Float32Array(784);
		const self = { erasing: false, show, values: () => values };
		let at = null;
		let cursor = [14, 14];

		function show(image, shape) {
			[height, width, maps] = shape;
			values = image;
			canvas.width = width;
			canvas.height = height;
			const image2 = new ImageData(width, height);
			for (let i = 0; i < height * width; i++)
				for (let c = 0; c < 3; c++) {
					// A picture in colour is shown in its own, a grey one as ink on night.
					const value = values[i * maps + (maps === 3 ? c : 0)];
					image2.data[4 * i + c] = maps === 3 ? 255 * value : [18, 17, 26][c] + value * [237, 238, 229][c]; // prettier-ignore
					image2.data[4 * i + 3] = 255;
				}
			canvas.getContext("2d").putImageData(image2, 0, 0);
		}

		/** A soft round dot about a place; brushes are as wide as MNIST's strokes. */
		function dot(y, x) {
			const reach = width / 14;
			for (let r = 0; r < height; r++)
				for (let c = 0; c < width; c++) {
					const ink = Math.min(1, Math.max(0, reach - 0.4 - Math.hypot(r - y, c - x)));
					for (let m = 0, i = (r * width + c) * maps; m < maps; m++, i++)
						if (self.erasing) values[i] = Math.min(values[i], 1 - ink);
						else values[i] = Math.max(values[i], ink);
				}
		}

		function stroke(y, x) {
			const [y0, x0] = at || [y, x];
			const steps = Math.ceil(2 * Math.hypot(y - y0, x - x0)) || 1;
			for (let i = 1; i <= steps; i++)
				dot(y0 + ((y - y0) * i) / steps, x0 + ((x - x0) * i) / steps);
			at = [y, x];
			show(values, [height, width, maps]);
			changed();
		}

		const place = (event) => {
			const box = canvas.getBoundingClientRect();
			return [
				((event.clientY - box.top) / box.height) * height - 0.5,
				((event.clientX - box.left) / box.width) * width - 0.5,
			];
		};
		box.addEventListener("pointerdown", (event) => {
			box.setPointerCapture(event.pointerId);
			values = values.slice();
			at = null;
			stroke(...place(event));
		});
		box.addEventListener("pointermove", (event) => at && stroke(...place(event)));
		for (const end of ["pointerup", "pointercancel"])
			box.addEventListener(end, () => (at = null));

		const move = () =>
			frame(pen, true, cursor[1] / width, cursor[0] / height, 1 / width, 1 / height);
		box.addEventListener("focus", () => box.matches(":focus-visible") && move());
		box.addEventListener("blur", () => frame(pen, false));
		box.addEventListener("keydown", (event) => {
			const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]; // prettier-ignore
			if (!step && event.key !== " ") return;
			event.preventDefault();
			if (step) {
				const before = cursor;
				cursor = [
					Math.min(height - 1, Math.max(0, cursor[0] + step[0])),
					Math.min(width - 1, Math.max(0, cursor[1] + step[1])),
				];
				// With Shift the pen stays down.
				if (event.shiftKey) [at, values] = [before, values.slice()];
			} else [at, values] = [null, values.slice()];
			move();
			if (!step || event.shiftKey) stroke(...cursor);
			at = null;
		});
		return self;
	}

	return { element, frame, pad, pixels, short, tint, write };
})();
