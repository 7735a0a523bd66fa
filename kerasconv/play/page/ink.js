"use strict";
/* Ink told from paper under uneven light: what is darker than its neighbourhood
   (kerasconv/pictures/ink.py). */

const Ink = (() => {
	const { REACH, COARSER, NARROW, FAINT, NOISY, TWO, WEAKER } = DATA.constants.ink;
	const {
		clip,
		count,
		image,
		maximum,
		median,
		medians,
		minimum,
		resize,
		round,
		shrunk,
		sideOf,
		where,
		without,
	} = Raster;
	const DARKEST = Math.fround(0.02); // a paper's level
	const odd = (n) => Math.max(3, round(n) | 1);

	/** The paper's level at every pixel. */
	function background(view) {
		const small = shrunk(view, Math.max(1, round(sideOf(view) / COARSER)));
		const level = medians(small, odd(REACH * sideOf(small)));
		return resize(level, view.width, view.height, "bilinear");
	}

	/** The same, with the edges of shadows where they are; thick strokes spoil it.

      A grey closing fills what is dark and narrower than its square. */
	function closeBackground(view, level) {
		const small = shrunk(view, Math.max(1, round(sideOf(view) / 2)));
		const size = odd(NARROW * sideOf(small));
		const over = (picture, filter) => filter(filter(picture, size, true), size, false);
		const closed = over(over(small, maximum), minimum);
		const { height, width, values } = resize(
			closed,
			view.width,
			view.height,
			"bilinear",
		);
		return image(height, width, values.map((v, i) => Math.min(v, level.values[i]))); // prettier-ignore
	}

	/** How strongly pixels are inked, from 0, paper, to 1. */
	function strength({ height, width, values }, paper) {
		const found = new Float32Array(values.length);
		for (let i = 0; i < found.length; i++) {
			const share = Math.fround(values[i] / Math.max(paper.values[i], DARKEST));
			found[i] = clip(1 - share, 0, 1);
		}
		return image(height, width, found);
	}

	/** What is darker than its paper, as a share of the paper's level, and the mask of what
      surely is ink. */
	function find(view, paper) {
		const strong = strength(view, paper);
		const noise = [];
		// Of every other pixel, which says as much.
		for (let y = 0; y < view.height; y += 2)
			for (let x = 0; x < view.width; x += 2) {
				const i = y * view.width + x;
				const around = Math.max(paper.values[i], DARKEST);
				noise.push(Math.abs(Math.fround(view.values[i] - around)) / around);
			}
		const deviation = 1.4826 * median(noise);
		const level = Math.fround(Math.max(otsu(strong.values), FAINT, NOISY * deviation));
		return { strength: strong, mask: where(strong, (v) => v > level) };
	}

	/** The stronger ink where a mask has ink of two strengths, as a digit in a shadow.

      Null where it has one: that is weaker along its edges alone, for `reach` pixels. */
	function stronger(strong, mask, reach) {
		const inked = strong.values.filter((_, i) => mask.values[i]);
		if (!inked.length) return null;
		const level = otsu(inked);
		const most = where(mask, (v, i) => v && strong.values[i] > level);
		const size = 2 * reach + 1;
		const near = maximum(maximum(most, size, true), size, false);
		const weak = without(mask, near);
		if (!count(most) || count(weak) <= TWO * count(most)) return null;
		return mean(strong, weak) < WEAKER * mean(strong, most) ? most : null;
	}

	/** The mean of what a mask has of values. */
	function mean({ values }, mask) {
		const sum = values.reduce((sum, v, i) => sum + v * mask.values[i], 0);
		return sum / count(mask);
	}

	/** The level that divides values in [0, 1] into two classes with least variance. */
	function otsu(values) {
		const counts = new Float64Array(256);
		for (const v of values) counts[Math.trunc(Math.fround(v * 255))]++;
		const level = (i) => (i + 0.5) / 256;
		const whole = counts.reduce((sum, n, i) => sum + n * level(i), 0);
		let [below, mass, best, found] = [0, 0, -Infinity, 0];
		counts.forEach((n, i) => {
			below += n;
			mass += n * level(i);
			const above = values.length - below;
			const share = (whole * below) / values.length - mass;
			const between = above > 0 ? share ** 2 / (below * above) : -1;
			if (between > best) [best, found] = [between, level(i)]; // 0 / 0 is not larger
		});
		return found;
	}

	return { background, closeBackground, find, otsu, strength, stronger };
})();
