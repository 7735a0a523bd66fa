"use strict";
/* One way to tell ink from paper in a view, and the pieces of ink as digits (`_Look` in
   kerasconv/pictures/scene.py). A piece is which pixels of a part of the view are the ink
   of one digit: `own`, at row `top`, column `left`, and how much ink it is. */

const Looking = (() => {
	const { DETAIL, THIN, LEAST, PALE, AS_HIGH, EDGE, FOLD } = DATA.constants.look;
	const { STAIN, SHADOW, IF_STAIN, IF_SHADOW, IF_FRAME } = DATA.constants.look;
	const { AS_DARK, FIRM, MOST, PALER, STRAIGHT, LONG } = DATA.constants.look;
	const { box, count, cut, enlarged, grown, image, median, minimum, parts } = Raster;
	const { placed, quantile, resize, round, spread, where, window, without } = Raster;
	const FAINT = Math.fround(0.15);

	/** What is ink in a view of a picture: `base` is the picture, `level` the view. */
	class Look {
		constructor(facts) {
			Object.assign(this, facts);
			const longer = ({ height, width }) => Math.max(height, width);
			this.step = longer(this.base) / longer(this.mask);
		}

		pieces() {
			const { of, groups } = Strokes.grouped(this.mask, this.strength);
			const labels = image(this.mask.height, this.mask.width, of);
			const pieces = groups.map((group) => {
				const part = (picture) => cut(picture, group);
				const mine = new Set(group.parts);
				const own = where(part(labels), (number) => mine.has(number));
				const [strong, paper] = [this.strength, this.paper].map(part);
				let weight = 0;
				own.values.forEach((v, i) => {
					if (v) weight += Math.fround(strong.values[i] * paper.values[i]);
				});
				return { own, top: group.top, left: group.left, weight };
			});
			return pieces.filter(({ weight }) => weight >= LEAST);
		}

		/** Whether ink as high as the pieces is in none: digits on a line, maybe. */
		leavesOut(pieces) {
			const { width } = this.mask;
			const rest = { ...this.mask, values: this.mask.values.slice() };
			for (const { own, top, left } of pieces)
				own.values.forEach((v, i) => {
					const [y, x] = [Math.floor(i / own.width), i % own.width];
					if (v) rest.values[(top + y) * width + left + x] = 0;
				});
			const highest = Math.max(...pieces.map((piece) => piece.own.height));
			return parts(rest).boxes.some(
				({ top, bottom }) => bottom - top > AS_HIGH * highest,
			);
		}

		/** Whether a piece is so near to paper as paper's own texture, or a screen's, is. */
		isPale({ own, weight }) {
			return weight < PALE * count(own);
		}

		/** Whether a piece lies along an edge: on one side all is as dark as it is. */
		isEdge({ own, top, left }, sure = false) {
			const reach = 6;
			const around = {
				top: Math.max(0, top - reach),
				left: Math.max(0, left - reach),
				bottom: Math.min(this.mask.height, top + own.height + reach),
				right: Math.min(this.mask.width, left + own.width + reach),
			};
			const [level, mask] = [this.level, this.mask].map((each) => cut(each, around));
			const ink = placed(own, top - around.top, left - around.left, level);
			const near = grown(ink, 2);
			const ring = without(without(grown(near, reach - 2), near), mask);
			// What surely looks like a digit may lie across the edge of a shadow: there it is
			// darker than what is next to it on either side.
			const middle = median(level.values.filter((_, i) => ink.values[i]));
			const values = level.values.map((v, i) => (ink.values[i] ? v : 2));
			const side = 2 * reach + 1;
			const next = sure && minimum(minimum({ ...level, values }, side, true), side, false); // prettier-ignore
			const beside = level.values
				.map((v, i) => v - (sure ? next.values[i] : middle))
				.filter((_, i) => ring.values[i]);
			if (!beside.length) return false;
			const [dark, light] = [0.2, 0.8].map((share) => quantile(beside, share));
			const crosses =
				(top === 0 && top + own.height === this.mask.height) ||
				(left === 0 && left + own.width === this.mask.width);
			return dark < (crosses ? FOLD : EDGE) * light;
		}

		/** The odds that a piece is ink, and no shadow and no stain (see `inkOdds`), nor a
		    frame or the lines of a table, from rim to rim both ways. */
		odds({ own, top, left }) {
			const at = { top, left, bottom: top + own.height, right: left + own.width };
			const { height, width } = this.mask;
			if (own.height === height && own.width === width) return IF_FRAME;
			// Of light ink the paper is what may lie in a shadow.
			const dark = ({ values }) =>
				this.isDark ? values : values.map((v) => Math.fround(1 - v));
			let [level, around] = [dark(this.level), dark(this.paper)];
			if (!this.isDark) [level, around] = [around, level];
			const values = level.map((v, i) =>
				Math.fround(1 - Math.fround(v / Math.max(around[i], Math.fround(0.02)))),
			);
			const share = image(height, width, values);
			const leaves = (most) => {
				const least = Math.fround(AS_DARK * most);
				const { of, boxes } = parts(where(share, (v) => v > least));
				const numbers = cut(image(height, width, of), at).values;
				return numbers.some((number, i) => {
					if (!number || !own.values[i]) return false;
					const each = boxes[number - 1];
					return (
						Math.min(each.top, each.left) <= 1 ||
						each.bottom >= height - 1 ||
						each.right >= width - 1
					);
				});
			};
			const inked = cut(share, at).values.filter((_, i) => own.values[i]);
			return inkOdds(own, inked, leaves);
		}

		/** [left, top, right, bottom] of a piece in pixels of the reader's picture. */
		box({ own, top, left }) {
			const sides = [left, top, left + own.width, top + own.height];
			return sides.map((v, i) =>
				round(this.scale * (this.step * v + (i % 2 ? this.top : this.left))),
			);
		}

		/** The ink of a piece as an MNIST digit, looked at closer where it is small. */
		digit(piece) {
			return fitted(thickened(this.detail(piece).level));
		}

		/** The ink of a piece, as much of it as a digit has use for, and its mask. */
		detail(piece) {
			const [height, width] = [piece.own.height + 4, piece.own.width + 4];
			const [top, left] = [piece.top - 2, piece.left - 2];
			let own = placed(piece.own, 2, 2, { height, width });
			let near = spread(own);
			let strength = window(this.strength, top, left, height, width);
			const longer = Math.max(piece.own.height, piece.own.width);
			const closer = Math.min(this.step, (1.5 * DETAIL) / longer);
			const size = [width, height].map((n) => Math.max(1, round(n * closer)));
			const resized = ({ values, ...rest }) =>
				resize({ ...rest, values: Float32Array.from(values) }, ...size, "bilinear");
			const above = (mask, level) => {
				const least = Math.fround(level);
				return where(resized(mask), (v) => v > least);
			};
			if (closer > 1.2) {
				const corners = [left, top, left + width, top + height];
				const crop = enlarged(this.base, ...size, corners.map((v) => this.step * v)); // prettier-ignore
				strength = Ink.strength(crop, resized(window(this.paper, top, left, height, width))); // prettier-ignore
				near = above(near, 0.3);
				own = above(own, 0.5);
			} else if (closer < 0.8) {
				// more pixels than a digit of 20 has use for
				const values = strength.values.map((v, i) => (near.values[i] ? v : 0));
				strength = resized({ ...strength, values });
				near = above(near, 0.2);
				own = above(own, 0.5);
			}
			const inked = strength.values.filter((_, i) => own.values[i]).sort();
			const full = inked.length ? inked[round(0.6 * (inked.length - 1))] : 0;
			const level = strength.values.map((v, i) => {
				const share = Math.fround(Math.min(v / Math.max(full, Math.fround(1e-6)), 1));
				return near.values[i] && share >= FAINT ? share : 0;
			});
			return { level: { ...strength, values: level }, own };
		}
	}

	/** By how much the odds change that ink is a digit if it is as faint as a stain or a
	    shadow, and like one. `inked` says what share of the paper's light it takes; if it
	    is the lighter, what share of its own the paper lacks. `leaves` says whether what
	    takes so much leaves the picture. */
	function inkOdds(mask, inked, leaves) {
		const dark = quantile(inked, 0.8);
		if (!(STAIN <= dark && dark < SHADOW)) return dark < STAIN ? IF_STAIN : 1;
		const firm = inked.filter((v) => v > Math.fround(FIRM * dark)).length;
		const isFirm = firm / inked.length > MOST;
		const bar = !(isFirm && dark > PALER) && isBar(mask);
		return bar || leaves(dark) ? IF_SHADOW : 1;
	}

	/** Whether a mask is a straight bar: of a rectangle the axes tell its area. */
	function isBar({ width, values }) {
		let [n, y, x, yy, xx, xy] = [0, 0, 0, 0, 0, 0];
		values.forEach((v, i) => {
			if (!v) return;
			const [row, column] = [Math.floor(i / width), i % width];
			n++;
			y += row;
			x += column;
			yy += row * row;
			xx += column * column;
			xy += row * column;
		});
		if (n < 2) return false;
		const [high, wide] = [yy / n - (y / n) ** 2, xx / n - (x / n) ** 2];
		const both = xy / n - (y / n) * (x / n);
		const [middle, apart] = [(high + wide) / 2, Math.hypot((high - wide) / 2, both)];
		const [minor, major] = [middle - apart + 1 / 12, middle + apart + 1 / 12];
		const straight = n > 12 * STRAIGHT * Math.sqrt(minor * major);
		return straight && major < LONG ** 2 * minor;
	}

	/** Ink as an MNIST digit. */
	function fitted(level) {
		const at = box(where(level, (v) => v > 0.25));
		if (!at) return new Float32Array(28 * 28);
		return Prepare.unit(Prepare.centred(Prepare.fitted(cut(level, at))));
	}

	/** The mean distance of a mask's pixels from what is none of it. */
	function depth(mask) {
		const { height, width, values } = mask;
		const near = new Float64Array(values.length); // up and down alone
		for (let x = 0; x < width; x++)
			for (const [first, last, step] of [
				[0, height, 1],
				[height - 1, -1, -1],
			])
				// prettier-ignore
				for (let y = first, away = Infinity; y !== last; y += step) {
					const i = y * width + x;
					away = values[i] ? away + 1 : 0;
					near[i] = step > 0 ? away : Math.min(near[i], away);
				}
		let [sum, pixels] = [0, 0];
		values.forEach((v, i) => {
			if (!v) return;
			const [row, column] = [i - (i % width), i % width];
			let least = Infinity;
			for (let x = 0; x < width; x++)
				least = Math.min(least, near[row + x] ** 2 + (column - x) ** 2);
			sum += Math.sqrt(least);
			pixels++;
		});
		return pixels ? sum / pixels : null;
	}

	/** Ink of a thin pen made as thick as MNIST's thinnest. */
	function thickened(level) {
		const mask = where(level, (v) => v > 0.5);
		const mean = depth(mask);
		if (mean === null) return level;
		// In a stroke the mean depth is a quarter of its width.
		const breadth = 4 * mean - 1;
		const { top, bottom, left, right } = box(mask);
		const missing = THIN * Math.max(bottom - top, right - left) - breadth;
		if (missing <= 0.5) return level;
		const side = round(missing) | 1;
		const reach = side >> 1;
		const [height, width] = [level.height + 2 * side, level.width + 2 * side];
		const found = new Float32Array(height * width);
		for (let y = 0, i = 0; y < level.height; y++)
			for (let x = 0; x < level.width; x++, i++) {
				if (!level.values[i]) continue;
				for (let r = -reach; r <= reach; r++)
					for (let c = -reach; c <= reach; c++) {
						if (r * r + c * c > (side / 2) ** 2) continue;
						const at = (y + side + r) * width + x + side + c;
						found[at] = Math.max(found[at], level.values[i]);
					}
			}
		return image(height, width, found);
	}

	return { Look, fitted, inkOdds, thickened };
})();
