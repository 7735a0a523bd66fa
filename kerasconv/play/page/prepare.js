"use strict";
/* A picture of a digit, brought to what MNIST is: `prepare_digit` (kerasconv/pictures:
   read, paper, digit), step by step, on arrays of grey levels. A drawing needs no more; in
   a picture the search for digits, scene.js, begins with it. */

const Prepare = (() => {
	const { FIELD, BOX, CENTRE } = DATA.constants.digit;
	const { VIEW, DETAIL, FAINT } = DATA.constants.paper;
	const { box, clip, cut, image, largest, median, parts, placed, resize } = Raster;
	const { round, spread, where } = Raster;

	/* ---------------------------------------------------------- grey levels */

	/** Grey levels in [0, 1] of pixels as a canvas has them: luma, on the paper meant. */
	function grey(width, height, rgba) {
		const luma = new Float32Array(width * height);
		const alpha = new Float32Array(width * height);
		for (let i = 0, at = 0; i < luma.length; i++, at += 4) {
			// ITU-R BT.601 in the whole numbers that Pillow uses.
			const sum = rgba[at] * 19595 + rgba[at + 1] * 38470 + rgba[at + 2] * 7471;
			luma[i] = ((sum + 0x8000) >> 16) / 255;
			alpha[i] = rgba[at + 3] / 255;
		}
		if (alpha.every((a) => a === 1)) return image(height, width, luma);
		const whole = alpha.reduce((a, b) => a + b, 0) || 1;
		const mean = luma.reduce((sum, v, i) => sum + v * alpha[i], 0) / whole;
		const variance =
			luma.reduce((sum, v, i) => sum + alpha[i] * (v - mean) ** 2, 0) / whole;
		let paper = mean < 0.5 ? 1 : 0; // ink alone
		if (Math.sqrt(variance) >= 0.1) {
			const shown = luma.filter((_, i) => alpha[i] > 0.5);
			paper = shown.length ? median(shown) : mean;
		}
		const laid = luma.map((v, i) => v * alpha[i] + paper * (1 - alpha[i]));
		return image(height, width, laid);
	}

	/* -------------------------------------------------------- paper and ink */

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
		const axis = (n) => (i) => (i && i === n - 1 ? 1 : -1 + (i && i * (2 / (n - 1))));
		const [down, across] = [axis(height), axis(width)];
		const y = Float64Array.from(values, (_, i) => down(Math.floor(i / width)));
		const x = Float64Array.from(values, (_, i) => across(i % width));
		const rim = values.filter((_, i) => Math.max(Math.abs(y[i]), Math.abs(x[i])) > 1 - 2 / 32); // prettier-ignore
		const corners = values.filter((_, i) => Math.min(Math.abs(y[i]), Math.abs(x[i])) > 1 - 2 / 8); // prettier-ignore
		// A tight cut leaves ink along the rim, seldom in the corners: half the weight.
		const level = Math.fround(median([...rim, ...rim.map((_, i) => corners[i % corners.length])])); // prettier-ignore
		const contrast = Float64Array.from(values, (v) => v - level);
		// 1, y and x at every pixel, of which a plane is a sum. Without room to tell shading
		// from strokes the paper has one level.
		const terms = [contrast.map(() => 1), y, x];
		if (Math.min(height, width) < 8) terms.length = 1;
		let reach = largest(contrast.map(Math.abs)) * FAINT;
		let noise = 0;
		let before = [];
		for (let turn = 0; turn < 8; turn++) {
			const paper = [];
			contrast.forEach((v, i) => Math.abs(v) <= reach && paper.push(i));
			const same = paper.length === before.length && paper.every((v, i) => v === before[i]); // prettier-ignore
			if (paper.length < terms.length || same) break;
			before = paper;
			const sum = (a, b) => paper.reduce((total, i) => total + a[i] * b[i], 0);
			const plane = solve(
				terms.map((a) => terms.map((b) => sum(a, b))),
				terms.map((a) => sum(a, contrast)),
			);
			plane.forEach((share, k) => {
				for (let i = 0; i < contrast.length; i++) contrast[i] -= share * terms[k][i];
			});
			const middle = median(paper.map((i) => contrast[i]));
			for (let i = 0; i < contrast.length; i++) contrast[i] -= middle;
			noise = 1.4826 * median(paper.map((i) => Math.abs(contrast[i])));
			reach = 3 * noise + 1 / 255;
		}
		return { contrast, noise };
	}

	/** Ink (0 is paper), the mask of what surely is, its share of all that differs from
      the paper, whether it is dark, and how many parts it is. */
	function separated(view, least) {
		const { contrast, noise } = contrasted(view);
		const { height, width } = view;
		const seen = Math.max(4 * noise, 1.5 / 255);
		const power = (sign) =>
			contrast.reduce((sum, v) => sum + Math.max(sign * v - seen, 0) ** 2, 0);
		const dark = power(-1) >= power(1);
		const ink = contrast.map((v) => Math.max(dark ? -v : v, 0));
		const peak = largest(ink);
		// Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
		const bold = ink.filter((v) => v > 0.7 * peak).length / ink.length > 0.05;
		const picture = image(height, width, ink);
		if (peak < 2 / 255 || !(bold || peak > 1.5 * seen))
			return { ink: picture, mask: where(picture, () => false), share: 0, dark };
		const limit = clip(seen, FAINT * peak, 0.3 * peak);
		const { of, boxes } = parts(where(picture, (v) => v > limit));
		const heavy = new Float64Array(boxes.length + 1);
		of.forEach((part, i) => part && (heavy[part] += ink[i]));
		const wanted = Math.max(least, 0.08 * largest(heavy));
		const mask = where(picture, (_, i) => heavy[of[i]] > wanted);
		const kept = heavy.filter((v) => v > wanted).length;
		// The soft edge of a stroke is ink too.
		const soft = spread(mask);
		// Scanners and JPEG leave a halo around a stroke.
		const near = spread(spread(soft));
		let [own, rest] = [0, 0];
		contrast.forEach((v, i) => {
			if (!soft.values[i]) ink[i] = 0;
			own += ink[i] ** 2;
			if (!near.values[i]) rest += Math.max(Math.abs(v) - seen, 0) ** 2;
		});
		return { ink: picture, mask, share: own / Math.max(own + rest, 1e-9), dark, parts: kept }; // prettier-ignore
	}

	/** The ink alone, cut out at its box [left, top, right, bottom] of the picture: 0 is
      paper; null if there is none. */
	function findInk(picture) {
		let [left, top, right, bottom] = [0, 0, picture.width, picture.height];
		const low = -largest(picture.values.map((v) => -v));
		const least = 3 * Math.fround(largest(picture.values) - low); // three pixels are a speck
		for (let found = null; ;) {
			const step = Math.max(1, (right - left) / VIEW, (bottom - top) / VIEW);
			const width = Math.max(1, round((right - left) / step));
			const height = Math.max(1, round((bottom - top) / step));
			const view = resize(picture, width, height, "box", [left, top, right, bottom]);
			const { ink, mask, share, dark, parts } = separated(view, least / step ** 2);
			const at = box(mask);
			if (!at) return found;
			const [across, down] = [(right - left) / width, (bottom - top) / height];
			const sides = [
				at.left * across,
				at.top * down,
				at.right * across,
				at.bottom * down,
			];
			found = {
				...cut(ink, at),
				box: sides.map((v, i) => v + (i % 2 ? top : left)),
				// The widest view shows what else there is.
				share: found ? found.share : share,
				dark: found ? found.dark : dark,
				parts,
			};
			const side = Math.max(found.height, found.width);
			if (step === 1 || side >= DETAIL) return found;
			// Look again, closer, with half a digit of paper around.
			const margin = Math.max(2, side >> 1);
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

	const unit = (levels) => levels.map((v) => Math.fround(v / 255));

	/** Any grey picture as an MNIST digit, 28 x 28 values in [0, 1]; null if it is blank. */
	function digit(picture) {
		let levels = asMnist(picture);
		if (!levels) {
			const ink = findInk(picture);
			if (!ink) return null;
			levels = centred(fitted(ink));
		}
		return unit(levels);
	}

	/** Any grey picture of a piece of clothing as an image of Fashion-MNIST
      (kerasconv/pictures/clothes.py); null if it is blank. */
	function clothes(picture) {
		const { height, width, values } = picture;
		const corners = [0, width - 1, values.length - width, values.length - 1];
		const ground = Math.fround(median(corners.map((i) => values[i])));
		const light = ground > 0.5;
		if (height === FIELD && width === FIELD && !light) return values;
		const close = Math.fround(DATA.constants.clothes.CLOSE);
		const shown = where(picture, (v) => Math.abs(Math.fround(v - ground)) > close);
		const at = box(shown);
		if (!at) return null;
		const lit = values.map((v, i) => (shown.values[i] ? (light ? 1 - v : v) : 0));
		const piece = cut({ ...picture, values: lit }, at);
		const scale = FIELD / Math.max(piece.height, piece.width);
		const [high, wide] = [piece.height, piece.width].map((side) =>
			Math.max(1, round(side * scale)),
		);
		const small = resize(piece, wide, high, scale <= 1 ? "box" : "bilinear");
		const field = { height: FIELD, width: FIELD };
		return placed(small, (FIELD - high) >> 1, (FIELD - wide) >> 1, field).values;
	}

	return { asMnist, centred, clothes, digit, findInk, fitted, grey, unit };
})();
