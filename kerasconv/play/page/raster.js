"use strict";
/* Arrays of grey levels, and what Pillow, NumPy and SciPy do with them: the same steps in
   the same order, so that the same numbers come of it. A mask is an image of 0 and 1. */

const Raster = (() => {
	const image = (height, width, values) => ({ height, width, values });
	const largest = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity);
	const clip = (v, low, high) => Math.min(Math.max(v, low), high);

	/** To the nearest whole number, halves to the even one, as Python rounds. */
	function round(v) {
		const low = Math.floor(v);
		if (v - low !== 0.5) return Math.round(v);
		return low % 2 ? low + 1 : low;
	}

	/** The value with a share of the others below it, between two of them if need be. */
	function quantile(list, share) {
		const sorted = new Float64Array(list).sort();
		const at = share * (sorted.length - 1);
		const low = sorted[Math.floor(at)];
		return low + (at % 1) * (sorted[Math.ceil(at)] - low);
	}

	const median = (list) => quantile(list, 0.5);

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
				found.push(filter((x - centre + 0.5) * (1 / spread)));
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

	/** By what a picture is large or small: its longer side; less of a long strip. */
	function sideOf({ height, width }) {
		const area = Math.sqrt(height * width);
		const least = Math.max(DATA.constants.ink.STRIP * Math.min(height, width), area);
		return Math.min(Math.max(height, width), least);
	}

	/** A picture reduced, by area, until its `sideOf` is at most `side`. */
	function shrunk(picture, side) {
		const scale = sideOf(picture) / side;
		if (scale <= 1) return picture;
		const [width, height] = [picture.width, picture.height].map((n) =>
			Math.max(1, round(n / scale)),
		);
		return resize(picture, width, height, "box");
	}

	/** The part [left, top, right, bottom] of a picture enlarged, point by point: Pillow's
      EXTENT, for which all beyond the rim is 0. */
	function enlarged({ height: high, width: wide, values }, width, height, part) {
		const [left, top, right, bottom] = part;
		const found = new Float32Array(width * height);
		for (let r = 0, at = 0; r < height; r++)
			for (let c = 0; c < width; c++, at++) {
				const x = ((right - left) / width) * (c + 0.5) + left;
				const y = ((bottom - top) / height) * (r + 0.5) + top;
				if (x < 0 || x >= wide || y < 0 || y >= high) continue;
				const [column, row] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
				const [across, down] = [x - 0.5 - column, y - 0.5 - row];
				const [c0, c1] = [Math.max(0, column), Math.min(wide - 1, column + 1)];
				const [r0, r1] = [Math.max(0, row), Math.min(high - 1, row + 1)];
				const mixed = (a, b, share) => a * (1 - share) + b * share;
				const line = (r) => mixed(values[r * wide + c0], values[r * wide + c1], across);
				found[at] = mixed(line(r0), line(r1), down);
			}
		return image(height, width, found);
	}

	/** A part of a picture from row `top`, column `left`; beyond the rim the rim itself. */
	function window(picture, top, left, height, width) {
		const found = new picture.values.constructor(height * width);
		for (let y = 0, at = 0; y < height; y++) {
			const row = clip(top + y, 0, picture.height - 1) * picture.width;
			for (let x = 0; x < width; x++)
				found[at++] = picture.values[row + clip(left + x, 0, picture.width - 1)];
		}
		return image(height, width, found);
	}

	/** A picture laid into an empty one of another size. */
	function placed(picture, top, left, { height, width }) {
		const found = new picture.values.constructor(height * width);
		for (let y = 0; y < picture.height; y++) {
			const line = picture.values.subarray(y * picture.width, (y + 1) * picture.width);
			found.set(line, (top + y) * width + left);
		}
		return image(height, width, found);
	}

	/* ------------------------------------------------------------ filters */

	/** For each place the largest value of a line of `size` about it, or the smallest. */
	function extreme({ height, width, values }, size, down, larger) {
		const found = values.slice();
		// Down the columns the whole picture is one line, with its neighbours a row apart.
		const [length, step] = down ? [values.length, width] : [width, 1];
		for (let k = step; k <= (size >> 1) * step; k += step)
			for (let end = length; end <= values.length; end += length)
				for (let i = end - length, j = i + k; j < end; i++, j++) {
					const [a, b] = [values[i], values[j]];
					if (larger ? b > found[i] : b < found[i]) found[i] = b;
					if (larger ? a > found[j] : a < found[j]) found[j] = a;
				}
		return image(height, width, found);
	}

	const maximum = (picture, size, down) => extreme(picture, size, down, true);
	const minimum = (picture, size, down) => extreme(picture, size, down, false);

	/** The median of a square about each place; beyond the rim the rim itself. */
	function medians(picture, side) {
		const { height, width } = picture;
		const found = new Float32Array(height * width);
		for (let y = 0, at = 0; y < height; y++)
			for (let x = 0; x < width; x++) {
				const reach = side >> 1;
				const seen = window(picture, y - reach, x - reach, side, side).values;
				found[at++] = seen.sort()[seen.length >> 1];
			}
		return image(height, width, found);
	}

	/** Blurred by a Gaussian of this deviation; the rim is a mirror. */
	function blurred(picture, sigma) {
		const reach = Math.trunc(4 * sigma + 0.5);
		const each = Array.from({ length: 2 * reach + 1 }, (_, i) =>
			Math.exp((-0.5 / (sigma * sigma)) * (i - reach) ** 2),
		);
		const whole = each.reduce((a, b) => a + b, 0);
		const taps = each.map((w) => w / whole);
		const { height, width } = picture;
		const mirrored = (i, n) => (i < 0 ? -1 - i : i < n ? i : 2 * n - 1 - i);
		let { values } = picture;
		for (const down of [true, false]) {
			const found = new Float32Array(values.length);
			for (let y = 0, at = 0; y < height; y++)
				for (let x = 0; x < width; x++) {
					let sum = 0;
					for (let k = -reach; k <= reach; k++) {
						const r = down ? mirrored(y + k, height) : y;
						const c = down ? x : mirrored(x + k, width);
						sum += values[r * width + c] * taps[k + reach];
					}
					found[at++] = sum;
				}
			values = found;
		}
		return image(height, width, values);
	}

	/* -------------------------------------------------------------- masks */

	/** Where a test of the value and the place is true. */
	function where({ height, width, values }, test) {
		const found = new Uint8Array(values.length);
		for (let i = 0; i < found.length; i++) found[i] = test(values[i], i) ? 1 : 0;
		return image(height, width, found);
	}

	function count({ values }) {
		let found = 0;
		for (const v of values) found += v;
		return found;
	}

	/** Where both are true, where one is, and where the first is and the second is not. */
	function both(a, { values }) {
		const found = a.values.slice();
		for (let i = 0; i < found.length; i++) found[i] &= values[i];
		return image(a.height, a.width, found);
	}
	function either(a, { values }) {
		const found = a.values.slice();
		for (let i = 0; i < found.length; i++) found[i] |= values[i];
		return image(a.height, a.width, found);
	}
	const not = (a) => where(a, (v) => !v);
	const without = (a, b) => both(a, not(b));

	/** A mask, and the pixels beside it, across corners too: a dilation by a square. */
	const spread = (mask) => maximum(maximum(mask, 3, true), 3, false);

	/** A mask, and the pixels above, below and beside it, so many times. */
	function grown(mask, times = 1) {
		for (; times; times--)
			mask = either(maximum(mask, 3, true), maximum(mask, 3, false));
		return mask;
	}

	/** The smallest box around all that is true; null if nothing is. */
	function box({ height, width, values }) {
		let [top, bottom, left, right] = [height, 0, width, 0];
		for (let y = 0, i = 0; y < height; y++)
			for (let x = 0; x < width; x++, i++)
				if (values[i]) {
					[top, bottom] = [Math.min(top, y), y + 1];
					[left, right] = [Math.min(left, x), Math.max(right, x + 1)];
				}
		return bottom ? { top, bottom, left, right } : null;
	}

	/** What lies in a box. */
	const cut = (picture, { top, bottom, left, right }) =>
		window(picture, top, left, bottom - top, right - left);

	/** The parts of a mask, numbered from 1 in the order of their first pixels: of which
      each pixel is, and the boxes of all. */
	function parts({ height, width, values }, corners = true) {
		const of = new Int32Array(values.length);
		const boxes = [];
		for (let start = 0; start < of.length; start++) {
			if (!values[start] || of[start]) continue;
			const at = { top: height, left: width, bottom: 0, right: 0 };
			boxes.push(at);
			of[start] = boxes.length;
			for (const todo = [start]; todo.length;) {
				const i = todo.pop();
				const [y, x] = [Math.floor(i / width), i % width];
				at.top = Math.min(at.top, y);
				at.left = Math.min(at.left, x);
				at.bottom = Math.max(at.bottom, y + 1);
				at.right = Math.max(at.right, x + 1);
				for (let r = Math.max(0, y - 1); r <= Math.min(height - 1, y + 1); r++)
					for (let c = Math.max(0, x - 1); c <= Math.min(width - 1, x + 1); c++) {
						const k = r * width + c;
						if (!values[k] || of[k] || !(corners || r === y || c === x)) continue;
						of[k] = boxes.length;
						todo.push(k);
					}
			}
		}
		return { of, boxes };
	}

	return {
		...{ blurred, both, box, clip, count, cut, either, enlarged, grown, image },
		...{ largest, maximum, median, medians, minimum, not, parts, placed, quantile },
		...{ resize, round, shrunk, sideOf, spread, where, window, without },
	};
})();
