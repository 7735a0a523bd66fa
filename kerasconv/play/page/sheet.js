"use strict";
/* A sheet of paper on a darker desk, cut out of the picture (kerasconv/pictures/sheet.py). */

const Sheet = (() => {
	const { LEAST, MOST, SOLID, AT_RIM, STEP, SIDE, LEVELS } = DATA.constants.sheet;
	const { both, count, grown, image, median, not, parts, quantile, shrunk, where, window, without } =
		Raster; // prettier-ignore

	/** The picture of the sheet alone, and where its first pixel was.

      What lies beside the sheet within that picture takes the level of its paper. A
      picture that shows no sheet as a whole comes back as it is. */
	function cutOut(picture) {
		const whole = { base: picture, top: 0, left: 0 };
		const view = shrunk(picture, SIDE);
		if (Math.min(view.height, view.width) < 16) return whole;
		const [low, high] = [0.02, 0.98].map((share) => quantile(view.values, share));
		if (high - low < STEP) return whole;
		const step = (high - low) / (LEVELS + 1);
		const levels = Array.from({ length: LEVELS }, (_, i) => (i + 1) * step + low);
		// Of what looks like a sheet the largest: a shadow across it has a border too. But
		// with straight sides: a part of the desk may be as light.
		let best = null;
		for (const level of [...levels, Math.fround(Ink.otsu(view.values))]) {
			const found = sheetAbove(view, level);
			if (found && (!best || found.worth >= best.worth)) best = found;
		}
		if (!best) return whole;
		const scale = [picture.height / view.height, picture.width / view.width];
		return within(picture, best, scale) || whole;
	}

	/** The largest part lighter than a level, and its hull, if it looks like a sheet. */
	function sheetAbove(view, level) {
		const bright = grown(
			not(
				grown(
					where(view, (v) => v <= level),
					2,
				),
			),
			2,
		);
		const { of, boxes } = parts(bright, false);
		if (!boxes.length) return null;
		const sizes = new Float64Array(boxes.length + 1);
		for (const part of of) if (part) sizes[part]++;
		const largest = sizes.indexOf(Math.max(...sizes));
		let sheet = where(view, (_, i) => of[i] === largest);
		if (atRim(sheet) > AT_RIM) return null;
		sheet = withoutHoles(sheet);
		const size = count(sheet);
		const share = size / sheet.values.length;
		if (!(LEAST < share && share < MOST)) return null;
		const near = grown(sheet);
		const around = without(grown(near, 2), near);
		const inside = both(sheet, grown(not(sheet), 4));
		const middle = (mask) => median(view.values.filter((_, i) => mask.values[i]));
		if (middle(inside) - middle(around) < STEP) return null;
		const corners = hull(sheet);
		const filled = size / rectangle(corners);
		if (size < SOLID * area(corners) || filled < SOLID) return null;
		return { corners, worth: size * filled ** 2, box: Raster.box(sheet) };
	}

	/** Which share of the picture's rim a mask takes. */
	function atRim({ height, width, values }) {
		let found = 0;
		for (let x = 0; x < width; x++)
			found += values[x] + values[(height - 1) * width + x];
		for (let y = 0; y < height; y++)
			found += values[y * width] + values[y * width + width - 1];
		return found / (2 * (height + width));
	}

	/** A mask, and all that it encloses. */
	function withoutHoles(mask) {
		const { height, width } = mask;
		const framed = image(height + 2, width + 2, new Uint8Array((height + 2) * (width + 2)).fill(1)); // prettier-ignore
		for (let y = 0, i = 0; y < height; y++)
			for (let x = 0; x < width; x++, i++)
				framed.values[(y + 1) * framed.width + x + 1] = mask.values[i] ? 0 : 1;
		const { of } = parts(framed, false);
		const filled = where(framed, (_, i) => of[i] !== 1);
		return window(filled, 1, 1, height, width);
	}

	/** The corners [row, column] of the convex hull of a mask, in their order about it. */
	function hull({ height, width, values }) {
		const points = [];
		for (let y = 0; y < height; y++) {
			const line = values.subarray(y * width, (y + 1) * width);
			if (line.includes(1)) points.push([y, line.indexOf(1)], [y, line.lastIndexOf(1)]);
		}
		const half = (list) => {
			const found = [];
			for (const point of list) {
				const turns = () => {
					const [a, b] = found.slice(-2);
					return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
				};
				while (found.length > 1 && turns() <= 0) found.pop();
				found.push(point);
			}
			return found.slice(0, -1);
		};
		return [...half(points), ...half(points.reverse())];
	}

	const sides = (corners) =>
		corners.map((a, i) => [a, corners[(i + 1) % corners.length]]);

	function area(corners) {
		const twice = sides(corners).reduce((sum, [a, b]) => sum + a[0] * b[1] - a[1] * b[0], 0); // prettier-ignore
		return Math.abs(twice) / 2;
	}

	/** The area of the smallest rectangle about a convex polygon. */
	function rectangle(corners) {
		const areas = sides(corners).map(([a, b]) => {
			const angle = Math.atan2(b[0] - a[0], b[1] - a[1]);
			const [c, s] = [Math.cos(angle), Math.sin(angle)];
			const reach = (along) => Math.max(...along) - Math.min(...along) + 1;
			return (
				reach(corners.map(([y, x]) => y * c + x * s)) *
				reach(corners.map(([y, x]) => x * c - y * s))
			);
		});
		return Math.min(...areas);
	}

	/** The part of a picture that holds the sheet; null if none of it is well inside. */
	function within(picture, { corners, box }, [high, wide]) {
		const [top, left] = [Math.trunc(box.top * high), Math.trunc(box.left * wide)];
		const bottom = Math.min(picture.height, Math.ceil(box.bottom * high));
		const right = Math.min(picture.width, Math.ceil(box.right * wide));
		const part = window(picture, top, left, bottom - top, right - left);
		const centre = [0, 1].map((k) => corners.reduce((sum, corner) => sum + corner[k], 0) / corners.length); // prettier-ignore
		const lines = sides(corners).map(([a, b]) => {
			const long = Math.hypot(b[0] - a[0], b[1] - a[1]);
			const [down, across] = [(b[1] - a[1]) / long, (a[0] - b[0]) / long];
			const offset = -(down * a[0] + across * a[1]);
			const out = down * centre[0] + across * centre[1] + offset > 0 ? -1 : 1;
			return [out * down, out * across, out * offset];
		});
		// A pixel and a half of the small view inside every side of the hull.
		const inside = where(part, (_, i) => {
			const y = (top + Math.floor(i / part.width) + 0.5) / high - 0.5;
			const x = (left + (i % part.width) + 0.5) / wide - 0.5;
			return lines.every(([down, across, offset]) => down * y + across * x + offset < -1.5); // prettier-ignore
		});
		const paper = part.values.filter((_, i) => inside.values[i]);
		if (!paper.length) return null;
		const level = median(paper);
		const values = part.values.map((v, i) => (inside.values[i] ? v : level));
		return { base: image(part.height, part.width, values), top, left };
	}

	return { cutOut };
})();
