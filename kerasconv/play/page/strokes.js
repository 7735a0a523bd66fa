"use strict";
/* Ink grouped into digits: lines taken out, parts joined, in the order of reading
   (kerasconv/pictures/strokes.py). A group is a box in pixels of the view, the numbers of
   its parts, and the sum of its ink's strength. */

const Strokes = (() => {
	const { LYING, STANDING, PARTS, BLOB, THREAD, SPECK, LOW, THICK, THICK_STANDING } =
		DATA.constants.strokes;
	const { both, either, image, maximum, median, parts, round, sideOf, spread } = Raster;
	const { where, without } = Raster;
	const high = (group) => group.bottom - group.top;
	const wide = (group) => group.right - group.left;
	const most = (list) => Math.max(...list);

	/* -------------------------------------------------------------- lines */

	/** The mask without long thin lines that lie, then without those that stand as well.

      Lines may be tilted by a little. What crosses one, and so is longer across it than
      the line is wide, stays. A 1 is itself a line that stands. The bar of a T or a 7 is
      a part of it, and no line: see `apart`. */
	function* withoutLines(mask) {
		const lying = lines(mask, LYING, THICK);
		const flat = without(lying.runs, lying.crossing);
		yield without(mask, apart(mask, lying.runs, flat));
		const turned = lines(transposed(mask), STANDING, THICK_STANDING);
		const [runs, crossing] = [turned.runs, turned.crossing].map(transposed);
		const taken = either(flat, without(runs, crossing));
		yield without(mask, apart(mask, either(lying.runs, runs), taken));
	}

	function transposed({ height, width, values }) {
		const found = new Uint8Array(values.length);
		for (let y = 0, i = 0; y < height; y++)
			for (let x = 0; x < width; x++, i++) found[x * height + y] = values[i];
		return image(width, height, found);
	}

	/** The pixels of runs of at least `length` along the rows. */
	function opened({ height, width, values }, length) {
		const found = new Uint8Array(values.length);
		for (let y = 0; y < height; y++)
			for (let x = 0, start = 0; x <= width; x++) {
				const at = y * width;
				if (x < width && values[at + x]) continue;
				if (x - start >= length) found.fill(1, at + start, at + x);
				start = x + 1;
			}
		return image(height, width, found);
	}

	/** The pixels of thin lines along the rows, this share of the side long, and
      the pixels of what crosses them. */
	function lines(mask, share, thickest) {
		const { height, width } = mask;
		const none = where(mask, () => false);
		const side = sideOf(mask);
		const thick = maximum(mask, 5, true);
		const runs = both(opened(thick, Math.max(15, round(share * side))), mask);
		if (!runs.values.includes(1)) return { runs, crossing: none };
		// How thick the lines are: the median run down a column, of those that are in one.
		const runsDown = [];
		for (let x = 0; x < width; x++) {
			let [pixels, starts] = [0, 0];
			for (let y = 0, before = 0; y < height; y++) {
				const now = runs.values[y * width + x];
				pixels += now;
				if (now && !before) starts++;
				before = now;
			}
			if (starts) runsDown.push(pixels / starts);
		}
		const breadth = median(runsDown);
		if (breadth > thickest * side) return { runs: none, crossing: none };
		const down = opened(transposed(mask), round(1.6 * breadth) + 2);
		return { runs, crossing: transposed(down) };
	}

	/** Of the pixels of lines those to take out: not where it is a stroke of a glyph.

      A line is twice as long as what it touches is high, or it lies below that and
      reaches beyond it to the left and right, or it is a frame about it. */
	function apart(mask, lines, taken) {
		if (!taken.values.includes(1)) return taken;
		const runs = parts(spread(spread(lines)));
		const rest = parts(without(mask, taken));
		const touches = runs.boxes.map(() => new Set());
		spread(taken).values.forEach((near, i) => {
			if (near && rest.of[i] && runs.of[i]) touches[runs.of[i] - 1].add(rest.of[i]);
		});
		const strokes = runs.boxes.map((run, i) =>
			isStroke(
				run,
				[...touches[i]].map((k) => rest.boxes[k - 1]),
			),
		);
		return where(taken, (v, i) => v && !strokes[runs.of[i] - 1]);
	}

	function isStroke(run, touched) {
		if (!touched.length) return false;
		const highest = most(touched.map(high));
		const glyphs = touched.filter((each) => high(each) >= 0.3 * highest); // no crumbs
		const side = (key, pick) => pick(...glyphs.map((each) => each[key]));
		const [top, bottom] = [side("top", Math.min), side("bottom", Math.max)];
		const [left, right] = [side("left", Math.min), side("right", Math.max)];
		// No glyph is twice as wide as it is high: those are several that touch.
		if (highest < 8 || most([wide(run), high(run), right - left]) > 2 * highest)
			return false;
		const margin = 0.05 * highest;
		const beyond = [
			run.top < top - margin,
			run.bottom > bottom + margin,
			run.left < left - margin,
			run.right > right + margin,
		];
		const low = (run.top + run.bottom) / 2 > top + 0.75 * highest;
		const frame = beyond.filter(Boolean).length > 2 && high(run) > 0.8 * highest;
		return !(frame || (low && beyond[2] && beyond[3]));
	}

	/* ------------------------------------------------------------- groups */

	/** Of which part each pixel is (0: none), and the digits that parts make, in the order
      of reading. */
	function grouped(mask, strength) {
		const { of, boxes } = parts(mask);
		const weights = new Float64Array(boxes.length);
		of.forEach((part, i) => part && (weights[part - 1] += strength.values[i]));
		const all = boxes.map((box, i) => ({ ...box, parts: [i + 1], weight: weights[i] }));
		const heaviest = all
			.filter((part) => part.weight > 0)
			.sort((a, b) => b.weight - a.weight)
			.slice(0, PARTS);
		const found = strokes(heaviest, image(mask.height, mask.width, of), boxes.length);
		if (!found.length) return { of, groups: [] };
		const top = most(found.map((part) => part.weight));
		const groups = joined(found.filter((part) => part.weight >= SPECK * top));
		const highest = most(groups.map((each) => Math.max(high(each), wide(each) >> 1)));
		const digits = groups.filter((group) => high(group) >= LOW * highest);
		return { of, groups: linesOf(digits).flat() };
	}

	/** The parts that may belong to a digit: no blobs, no bars, none that is cut off. */
	function strokes(heaviest, labels, count) {
		const { height, width } = labels;
		const [kept, cut, bars] = [[], [], []];
		const [depths, shapes] = [depthsOf(labels, count), shapesOf(labels, count)];
		for (const part of heaviest) {
			const [i] = part.parts;
			const longer = Math.max(high(part), wide(part));
			if (longer > 6 && 2 * depths[i] - 1 > BLOB * longer) continue;
			const { top, left, bottom, right } = part;
			const atRim = top === 0 || left === 0 || bottom === height || right === width;
			if (atRim && shapes[i].thread) continue;
			(shapes[i].bar ? bars : atRim ? cut : kept).push(part);
		}
		if (!kept.length) return cut;
		// A bar that is shorter than a digit is high belongs to one, and others are lines.
		const highest = most(kept.map(high));
		const longest = (bar) => (high(bar) > 0.5 * highest ? 1.5 : 0.8) * highest;
		kept.push(...bars.filter((bar) => wide(bar) < longest(bar)));
		// What touches the rim is a digit of a number that is as high as the others, or,
		// where it is nearly all the ink there is, the digit.
		const heights = kept.map(high);
		const middle = median(heights.filter((h) => h >= 0.5 * most(heights)));
		const like = cut.filter((part) => {
			const ratio = high(part) / middle;
			return 0.6 < ratio && ratio < 1.6;
		});
		const weight = (list) => most([0, ...list.map((part) => part.weight)]);
		return weight(kept) > 0.1 * weight(cut) ? [...kept, ...like] : cut;
	}

	/** How far the deepest pixel of every part is from what is none of it, in steps of a
      chess king. */
	function depthsOf({ height, width, values }, count) {
		const deep = new Int32Array(values.length);
		const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : deep[y * width + x]); // prettier-ignore
		for (const step of [1, -1])
			for (let n = 0; n < values.length; n++) {
				const i = step > 0 ? n : values.length - 1 - n;
				if (!values[i]) continue;
				const [y, x] = [Math.floor(i / width), i % width];
				const before = at(y, x - step);
				const line = [-1, 0, 1].map((k) => at(y - step, x + k));
				const least = 1 + Math.min(before, ...line);
				deep[i] = step > 0 ? least : Math.min(deep[i], least);
			}
		const depths = new Int32Array(count + 1);
		values.forEach(
			(part, i) => part && (depths[part] = Math.max(depths[part], deep[i])),
		);
		return depths;
	}

	/** Which parts are bars that lie: six times as long as they are thick.

      And which are straight threads, thinner than a pen writes: where one leaves the
      picture it is a fold of the paper, or a ruled line. A part's length and thickness
      are the axes of its covariance. */
	function shapesOf({ width, values }, count) {
		const sums = () => new Float64Array(count + 1);
		const [n, y, x, yy, xx, xy] = Array.from({ length: 6 }, sums);
		const each = (add) => {
			values.forEach((part, i) => part && add(part, Math.floor(i / width), i % width));
		};
		each((part, row, column) => {
			n[part]++;
			y[part] += row;
			x[part] += column;
		});
		const pixels = n.map((v) => Math.max(v, 2));
		each((part, row, column) => {
			const down = row - y[part] / pixels[part];
			const across = column - x[part] / pixels[part];
			yy[part] += down * down;
			xx[part] += across * across;
			xy[part] += across * down;
		});
		return Array.from(pixels, (all, i) => {
			const [tall, broad, skew] = [yy, xx, xy].map((sum) => sum[i] / (all - 1));
			const middle = (tall + broad) / 2;
			const off = Math.hypot((tall - broad) / 2, skew);
			const [minor, major] = [middle - off, middle + off].map((v) => Math.max(v, 0.08));
			const ratio = Math.sqrt(minor / major);
			return {
				bar: all >= 8 && ratio <= 0.16 && broad > tall,
				thread: all >= 8 && ratio <= THREAD,
			};
		});
	}

	/** Parts that make one digit joined: small ones to the nearest large one. */
	function joined(list) {
		const found = [];
		for (const part of [...list].sort((a, b) => high(b) - high(a))) {
			const away = found.map((other) => distance(part, other));
			const i = away.indexOf(Math.min(...away));
			if (i >= 0 && belongs(part, found[i], away[i])) found[i] = union(found[i], part);
			else found.push(part);
		}
		return found;
	}

	function belongs(part, other, away) {
		const shared = Math.min(part.right, other.right) - Math.max(part.left, other.left);
		const overlap = shared / Math.max(1, Math.min(wide(part), wide(other)));
		if (high(part) < 0.5 * high(other))
			return away < 0.3 * high(other) && overlap > -0.3;
		return overlap > 0.6 && away < 0.15 * high(other);
	}

	function distance(a, b) {
		const down = Math.max(a.top - b.bottom, b.top - a.bottom, 0);
		return Math.hypot(down, Math.max(a.left - b.right, b.left - a.right, 0));
	}

	function union(a, b) {
		return {
			top: Math.min(a.top, b.top),
			left: Math.min(a.left, b.left),
			bottom: Math.max(a.bottom, b.bottom),
			right: Math.max(a.right, b.right),
			parts: [...a.parts, ...b.parts],
			weight: a.weight + b.weight,
		};
	}

	/** The groups of every line, from the top: those that share half of the lower one's
      rows, each line from the left. */
	function linesOf(groups) {
		const found = [];
		const middle = (group) => group.top + group.bottom;
		for (const group of [...groups].sort((a, b) => middle(a) - middle(b))) {
			const line = found.find((line) => {
				const away = line.map((other) => Math.abs(other.left - group.left));
				const near = line[away.indexOf(Math.min(...away))];
				const shared = Math.min(near.bottom, group.bottom) - Math.max(near.top, group.top); // prettier-ignore
				return shared > 0.4 * Math.min(high(near), high(group));
			});
			if (line) line.push(group);
			else found.push([group]);
		}
		return found.map((line) => line.sort((a, b) => a.left - b.left));
	}

	return { grouped, linesOf, withoutLines };
})();
