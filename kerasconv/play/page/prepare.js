"use strict";
/* A picture of a digit, brought to what MNIST is: the first look of `kerasconv predict`
   (kerasconv/pictures: read, paper, digit), step by step, on arrays of grey levels.
   Where no clear digit comes of it, `predict` looks again in other ways; a page does not. */

const Prepare = (() => {
	const [FIELD, BOX, CENTRE] = [28, 20, 14];
	const [VIEW, DETAIL, FAINT] = [64, 30, 0.25];

	const image = (height, width, values) => ({ height, width, values });
	const largest = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity);
	const clip = (v, low, high) => Math.min(Math.max(v, low), high);

	/** To the nearest whole number, halves to the even one, as Python rounds. */
	function round(v) {
		const low = Math.floor(v);
		if (v - low !== 0.5) return Math.round(v);
		return low % 2 ? low + 1 : low;
	}

	function median(list) {
		const sorted = Float64Array.from(list).sort();
		const half = sorted.length >> 1;
		return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
	}

	/* ------------------------------------------------- Pillow's resampling */

	const FILTERS = {
		box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
		bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
		bicubic: [
			2,
			(x) => {
				x = Math.abs(x);
				if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
				return x < 2 ? ((x - 5) * x + 8) * x * -0.5 + 2 : 0;
			},
		],
	};

	/** For each place along the new axis: where its values begin, and their weights. */
	function weights(size, from, to, length, [reach, filter]) {
		const scale = Math.fround(to - from) / length;
		const spread = Math.max(1, scale);
		return Array.from({ length }, (_, i) => {
			const centre = from + (i + 0.5) * scale;
			const first = Math.max(0, Math.trunc(centre - reach * spread + 0.5));
			const last = Math.min(size, Math.trunc(centre + reach * spread + 0.5));
			const found = [];
			for (let x = first; x < last; x++)
				found.push(filter((x - centre + 0.5) / spread));
			const whole = found.reduce((a, b) => a + b, 0);
			return { first, taps: found.map((w) => (whole ? w / whole : w)) };
		});
	}

	/** The part [left, top, right, bottom] of a picture at another size. */
	function resize(picture, width, height, filter, part) {
		// Pillow holds a part's edges in float32.
		const whole = [0, 0, picture.width, picture.height];
		const [left, top, right, bottom] = (part || whole).map(Math.fround);
		const rule = FILTERS[filter];
		let { values } = picture;
		if (width !== picture.width || left || right !== width) {
			const across = weights(picture.width, left, right, width, rule);
			const found = new Float32Array(width * picture.height);
			for (let y = 0, at = 0; y < picture.height; y++)
				for (const { first, taps } of across) {
					let sum = 0;
					const start = y * picture.width + first;
					for (let i = 0; i < taps.length; i++) sum += values[start + i] * taps[i];
					found[at++] = sum;
				}
			values = found;
		}
		if (height !== picture.height || top || bottom !== height) {
			const down = weights(picture.height, top, bottom, height, rule);
			const found = new Float32Array(width * height);
			let at = 0;
			for (const { first, taps } of down)
				for (let x = 0; x < width; x++) {
					let sum = 0;
					for (let i = 0; i < taps.length; i++)
						sum += values[(first + i) * width + x] * taps[i];
					found[at++] = sum;
				}
			values = found;
		}
		return image(height, width, values);
	}

	/* ---------------------------------------------------------- grey levels */

	/** Grey levels in [0, 1] of pixels as a canvas has them: luma, on the paper meant. */
	function grey(width, height, rgba) {
		const luma = new Float32Array(width * height);
		const alpha = new Float32Array(width * height);
		for (let i = 0; i < luma.length; i++) {
			const [r, g, b, a] = rgba.subarray(4 * i, 4 * i + 4);
			// ITU-R BT.601 in the whole numbers that Pillow uses.
			luma[i] = ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) / 255;
			alpha[i] = a / 255;
		}
		if (alpha.every((a) => a === 1)) return image(height, width, luma);
		const whole = alpha.reduce((a, b) => a + b, 0) || 1;
		const mean = luma.reduce((sum, v, i) => sum + v * alpha[i], 0) / whole;
		const spread =
			luma.reduce((sum, v, i) => sum + alpha[i] * (v - mean) ** 2, 0) / whole;
		let paper = mean < 0.5 ? 1 : 0; // ink alone
		if (Math.sqrt(spread) >= 0.1) {
			const shown = luma.filter((_, i) => alpha[i] > 0.5);
			paper = shown.length ? median(shown) : mean;
		}
		return image(
			height,
			width,
			luma.map((v, i) => v * alpha[i] + paper * (1 - alpha[i])),
		);
	}

	/* -------------------------------------------------------- paper and ink */

	/** The smallest box around all that is true; null if nothing is. */
	function box({ height, width, values }) {
		let [top, bottom, left, right] = [height, 0, width, 0];
		for (let y = 0; y < height; y++)
			for (let x = 0; x < width; x++)
				if (values[y * width + x]) {
					[top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
					[left, right] = [Math.min(left, x), Math.max(right, x + 1)];
				}
		return bottom ? { top, bottom, left, right } : null;
	}

	function cut({ width, values }, { top, bottom, left, right }) {
		const found = [];
		for (let y = top; y < bottom; y++)
			found.push(...values.subarray(y * width + left, y * width + right));
		return image(bottom - top, right - left, Float64Array.from(found));
	}

	/** Solves a small system of equations; directions that say nothing count as zero. */
	function solve(matrix, right) {
		const n = right.length;
		const rows = matrix.map((row, i) => [...row, right[i]]);
		const most = largest(matrix.map((row, i) => Math.abs(row[i])));
		for (let i = 0; i < n; i++) {
			const best = rows
				.slice(i)
				.reduce(
					(b, row, k) => (Math.abs(row[i]) > Math.abs(rows[b][i]) ? i + k : b),
					i,
				);
			[rows[i], rows[best]] = [rows[best], rows[i]];
			if (Math.abs(rows[i][i]) < 1e-12 * most) continue;
			for (let j = 0; j < n; j++)
				if (j !== i) {
					const share = rows[j][i] / rows[i][i];
					rows[j] = rows[j].map((v, k) => v - share * rows[i][k]);
				}
		}
		return rows.map((row, i) =>
			Math.abs(row[i]) < 1e-12 * most ? 0 : row[n] / row[i],
		);
	}

	/** How much lighter than the paper each pixel is, and the paper's noise. */
	function contrasted({ height, width, values }) {
		const across = (n) => (i) => (i && i === n - 1 ? 1 : -1 + (i && i * (2 / (n - 1))));
		const [down, along] = [across(height), across(width)];
		const [rim, corners, terms] = [[], [], []];
		const flat = Math.min(height, width) < 8; // no room to tell shading from strokes
		for (let i = 0; i < values.length; i++) {
			const [y, x] = [down(Math.floor(i / width)), along(i % width)];
			if (Math.max(Math.abs(y), Math.abs(x)) > 1 - 2 / 32) rim.push(values[i]);
			if (Math.min(Math.abs(y), Math.abs(x)) > 1 - 2 / 8) corners.push(values[i]);
			terms.push(flat ? [1] : [1, y, x]);
		}
		// A tight cut leaves ink along the rim, seldom in the corners: half the weight.
		const level = Math.fround(median([...rim, ...rim.map((_, i) => corners[i % corners.length])])); // prettier-ignore
		const contrast = Float64Array.from(values, (v) => v - level);
		let reach = largest(contrast.map(Math.abs)) * FAINT;
		let noise = 0;
		let before = "";
		for (let round = 0; round < 8; round++) {
			const paper = [];
			contrast.forEach((v, i) => Math.abs(v) <= reach && paper.push(i));
			const now = paper.join();
			const n = terms[0].length;
			if (paper.length < n || now === before) break;
			before = now;
			const sum = (f) => paper.reduce((a, i) => a + f(i), 0);
			const list = Array.from({ length: n }, (_, k) => k);
			const plane = solve(
				list.map((a) => list.map((b) => sum((i) => terms[i][a] * terms[i][b]))),
				list.map((a) => sum((i) => terms[i][a] * contrast[i])),
			);
			contrast.forEach((v, i) => {
				contrast[i] = v - plane.reduce((a, p, k) => a + p * terms[i][k], 0);
			});
			const middle = median(paper.map((i) => contrast[i]));
			contrast.forEach((v, i) => (contrast[i] = v - middle));
			noise = 1.4826 * median(paper.map((i) => Math.abs(contrast[i])));
			reach = 3 * noise + 1 / 255;
		}
		return { contrast, noise };
	}

	/** The eight neighbours of a place that lie inside, and itself. */
	function around(i, { height, width }) {
		const [y, x] = [Math.floor(i / width), i % width];
		const found = [];
		for (let r = Math.max(0, y - 1); r <= Math.min(height - 1, y + 1); r++)
			for (let c = Math.max(0, x - 1); c <= Math.min(width - 1, x + 1); c++)
				found.push(r * width + c);
		return found;
	}

	/** Ink (0 where there is paper) and the mask of what surely is ink. */
	function separated(view, least) {
		let { contrast, noise } = contrasted(view);
		const seen = Math.max(4 * noise, 1.5 / 255);
		const power = (sign) =>
			contrast.reduce((sum, v) => sum + Math.max(sign * v - seen, 0) ** 2, 0);
		if (power(-1) >= power(1)) contrast = contrast.map((v) => -v);
		const ink = contrast.map((v) => Math.max(v, 0));
		const peak = largest(ink);
		const size = [view.height, view.width];
		// Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
		const bold = ink.filter((v) => v > 0.7 * peak).length / ink.length > 0.05;
		if (peak < 2 / 255 || !(bold || peak > 1.5 * seen))
			return {
				ink: image(...size, ink),
				mask: image(...size, new Uint8Array(ink.length)),
			};
		const limit = clip(seen, FAINT * peak, 0.3 * peak);
		const group = new Int32Array(ink.length);
		const heavy = [0];
		ink.forEach((v, start) => {
			if (v <= limit || group[start]) return;
			let weight = 0;
			for (const todo = [start]; todo.length;) {
				const i = todo.pop();
				if (group[i] || ink[i] <= limit) continue;
				group[i] = heavy.length;
				weight += ink[i];
				todo.push(...around(i, view));
			}
			heavy.push(weight);
		});
		const wanted = Math.max(least, 0.08 * largest(heavy));
		const mask = Uint8Array.from(group, (g) => (heavy[g] > wanted ? 1 : 0));
		// The soft edge of a stroke is ink too.
		const soft = ink.map((v, i) => (around(i, view).some((k) => mask[k]) ? v : 0));
		return { ink: image(...size, soft), mask: image(...size, mask) };
	}

	/** The ink alone, cut out at its box: 0 is paper; null if there is none. */
	function findInk(picture) {
		let [left, top, right, bottom] = [0, 0, picture.width, picture.height];
		const low = -largest(picture.values.map((v) => -v));
		const least = 3 * Math.fround(largest(picture.values) - low); // three pixels are a speck
		for (let found = null; ;) {
			const step = Math.max(1, (right - left) / VIEW, (bottom - top) / VIEW);
			const width = Math.max(1, round((right - left) / step));
			const height = Math.max(1, round((bottom - top) / step));
			const view = resize(picture, width, height, "box", [left, top, right, bottom]);
			const { ink, mask } = separated(view, least / step ** 2);
			const at = box(mask);
			if (!at) return found;
			found = cut(ink, at);
			const side = Math.max(found.height, found.width);
			if (step === 1 || side >= DETAIL) return found;
			// Look again, closer, with half a digit of paper around.
			const margin = Math.max(2, side >> 1);
			const [across, down] = [(right - left) / width, (bottom - top) / height];
			right = Math.min(right, left + (at.right + margin) * across);
			left = Math.max(left, left + (at.left - margin) * across);
			bottom = Math.min(bottom, top + (at.bottom + margin) * down);
			top = Math.max(top, top + (at.top - margin) * down);
		}
	}

	/* ---------------------------------------------------------------- MNIST */

	/** A digit moved until its centre of mass lies at the centre of the field. */
	function centred(digit) {
		const { height, width, values } = digit;
		const start = [height, width].map((side, axis) => {
			let [mass, moment] = [0, 0];
			values.forEach((v, i) => {
				mass += v;
				moment += v * (axis ? i % width : Math.floor(i / width));
			});
			return clip(CENTRE - Math.floor(moment / mass + 0.5), 0, FIELD - side);
		});
		const field = new Float32Array(FIELD * FIELD);
		values.forEach((v, i) => {
			const [y, x] = [Math.floor(i / width) + start[0], (i % width) + start[1]];
			field[y * FIELD + x] = v;
		});
		return field;
	}

	/** Ink scaled to the box of 20 x 20, its aspect kept, in levels from 0 to 255. */
	function fitted(ink) {
		const scale = BOX / Math.max(ink.height, ink.width);
		const [height, width] = [ink.height, ink.width].map((side) =>
			Math.max(1, round(side * scale)),
		);
		const exact = image(ink.height, ink.width, Float32Array.from(ink.values));
		const scaled = resize(exact, width, height, scale <= 1 ? "box" : "bicubic");
		const most = largest(scaled.values);
		const levels = scaled.values.map((v) => {
			const strength = Math.fround(Math.max(v, 0) / most);
			return Math.max(round(Math.fround(255 * strength)), strength > 1e-4 ? 1 : 0);
		});
		return image(height, width, levels);
	}

	/** The levels of a picture that is an MNIST digit already, or the negative of one. */
	function asMnist({ height, width, values }) {
		if (height !== FIELD || width !== FIELD) return null;
		let levels = values.map((v) => round(255 * v));
		if (values.some((v, i) => Math.abs(255 * v - levels[i]) > 1e-3)) return null;
		if (levels[0] > 127) levels = levels.map((v) => 255 - v);
		const at = box(image(FIELD, FIELD, levels));
		if (!at || largest(levels) < 254) return null;
		const digit = cut(image(FIELD, FIELD, levels), at);
		const side = Math.max(digit.height, digit.width);
		if (side !== BOX && side !== BOX - 1) return null;
		return centred(digit).every((v, i) => v === levels[i]) ? levels : null;
	}

	/** Any grey picture as an MNIST digit, 28 x 28 values in [0, 1]; null if it is blank. */
	function digit(picture) {
		let levels = asMnist(picture);
		if (!levels) {
			const ink = findInk(picture);
			if (!ink) return null;
			levels = centred(fitted(ink));
		}
		return levels.map((v) => Math.fround(v / 255));
	}

	return { digit, grey, image, resize };
})();

if (typeof module !== "undefined") module.exports = Prepare;
