"use strict";
/* The digits in a photograph: found, prepared, and put in the order of reading
   (kerasconv/pictures/scene.py), and what is to be said of them (kerasconv/reading.py). */

const Scene = (() => {
	const { VIEW, CLOSER, CERTAIN, SETTLED, ALL, INKED, SURE, HALF, SEVERAL, OF_CUT } =
		DATA.constants.scene;
	const { PALE, LOW, MOST_CUT, EDGE, RATHER } = DATA.constants.scene;
	const { DOUBTED, CROSSING, NARROWEST, NEIGHBOURS, BESIDE, TRIES, CUTS } =
		DATA.constants.scene;
	const { COARSE, WHOLE, MIXED, SOFT, SOFT_CUT } = DATA.constants.scene;
	const { blurred, box, both, count, cut, image, largest, median, placed, round } =
		Raster;
	const { shrunk, sideOf, where, without } = Raster;
	const { Look, fitted, thickened } = Looking;
	const sum = (list) => list.reduce((a, b) => a + b, 0);

	/** What may be digits in a grey picture, in the order of reading: of each the image, the
      box [left, top, right, bottom], and how sure it is that this is a digit. `scale` is
      how many pixels of the reader's picture one of these is. */
	function find(grey, scale = 1) {
		let first = easy(grey, scale);
		if (first && first.ink && isPale(first.ink)) first = null;
		let best = { worth: -Infinity, found: [] };
		let [darks, closes] = [
			[true, false],
			[false, true],
		];
		if (first) {
			const { digit, weight, ink } = first;
			const one = !ink || (isOne(ink) && !isMixed(ink));
			const clear = one && (!ink || ink.share > ALL);
			const lined = ink && isUnderlined(inkOf(ink));
			if (clear && (!ink || (digit.confidence > SETTLED && !lined))) return [digit];
			const sure = (one ? 1 : MIXED) * (lined ? MIXED : 1);
			best = { worth: worth([digit], [sure * weight]), found: [digit] };
			// What is no digit and leaves the picture may be all that is in a light.
			const lit = ink && digit.confidence < 0.5 && leaves(ink.box, grey);
			// What is paper is known, and that no shadow was taken for ink.
			if (ink && clear && !lit && covered(ink, grey) < INKED)
				[darks, closes] = [[ink.dark], [false]];
		}
		for (const look of looks(grey, scale, darks, closes)) {
			const pieces = look.pieces();
			if (!pieces.length) continue;
			const { parts, halved } = judged(look, pieces);
			const weights = parts.map((part) => part.piece.weight);
			const found = inContext(
				parts.map((part) => ({
					image: part.image,
					box: look.box(part.piece),
					confidence: part.one,
				})),
				weights,
			);
			// A line that crosses a digit can be cut off, too.
			const sure = (halved ? OF_CUT : 1) * (look.isMixed ? MIXED ** 0.5 : 1);
			// A line under one digit alone of several is its foot, if none was cut.
			const lone = halved || found.filter((each) => each.confidence > 0.5).length < 2;
			const lined = parts.map((part) => lone && isUnderlined(part.piece.own));
			const lighter = weights.map((v, i) => (lined[i] ? MIXED * v : v));
			const value = worth(found, lighter) * sure;
			if (value > best.worth) best = { worth: value, found };
			const certain = found.every((each) => each.confidence > CERTAIN);
			if (!halved && !lined.includes(true) && certain && !look.leavesOut(pieces)) break;
		}
		// Paper, and what is seen in it when one looks too closely.
		if (!first && best.found.every((each) => each.confidence < 0.5)) return [];
		return inOrder(best.found).flat();
	}

	/** The lines of what was found, in the order of reading. */
	function inOrder(found) {
		const groups = found.map((each) => {
			const [left, top, right, bottom] = each.box;
			return { left, top, right, bottom, each };
		});
		return Strokes.linesOf(groups).map((line) => line.map((group) => group.each));
	}

	/** The share of a picture that is ink. */
	function covered(ink, grey) {
		const [left, top, right, bottom] = ink.box;
		const least = 0.3 * largest(ink.values);
		const inked = ink.values.filter((v) => v > least).length / ink.values.length;
		return (inked * (right - left) * (bottom - top)) / grey.values.length;
	}

	/** Which of the ink that was cut out surely is ink. */
	function inkOf({ height, width, values }) {
		const least = 0.3 * largest(values);
		return where(image(height, width, values), (v) => v > least);
	}

	/** Whether ink is so near to paper as paper's own texture, or a screen's, is. */
	function isPale(ink) {
		const mask = inkOf(ink);
		return sum([...ink.values].filter((_, i) => mask.values[i])) / count(mask) < PALE;
	}

	/** The odds that it is ink, and no shadow and no stain: see `Looking.inkOdds`. */
	function inkOdds(ink, grey) {
		const mask = inkOf(ink);
		const { height, width, values } = grey;
		const step = Math.max(1, Math.floor(Math.max(height, width) / COARSE));
		const some = values.filter(
			(_, i) => Math.floor(i / width) % step === 0 && (i % width) % step === 0,
		);
		const ground = median(some);
		const light = (v) => Math.max(ink.dark ? ground : ground + v, 0.02);
		const inked = ink.values.filter((_, i) => mask.values[i]).map((v) => v / light(v));
		return Looking.inkOdds(mask, inked, () => leaves(ink.box, grey));
	}

	/** Whether it is ink of two strengths: a shadow, and what is written in it. */
	function isMixed({ height, width, values }) {
		const most = largest(values);
		const ink = image(height, width, values.map((v) => v / most)); // prettier-ignore
		return Ink.stronger(ink, where(ink, (v) => v > 0.3), SOFT_CUT) !== null; // prettier-ignore
	}

	/** Whether what is low in the ink reaches beyond the rest to the left and right. */
	function isUnderlined({ height, width, values }) {
		const high = round(LOW * height);
		const rest = box(image(high, width, values.slice(0, high * width)));
		const margin = 0.1 * height;
		return rest !== null && rest.left > margin && rest.right < width - margin;
	}

	function leaves([left, top, right, bottom], { height, width }) {
		return Math.min(left, top) <= 1 || right >= width - 1 || bottom >= height - 1;
	}

	/** Whether all of the ink that was cut out makes one digit, without a line. */
	function isOne({ height, width, values, parts }) {
		if (parts === 1) return true;
		const size = { height: height + 2, width: width + 2 };
		const ink = placed(image(height, width, values), 1, 1, size);
		const least = 0.3 * largest(values);
		const mask = where(ink, (v) => v > least);
		const { groups } = Strokes.grouped(mask, ink);
		const area = ({ top, bottom, left, right }) => (bottom - top) * (right - left);
		return groups.length === 1 && area(groups[0]) > WHOLE * area(box(mask));
	}

	/** The digit as `Prepare.digit` finds it, how much ink it is, and the ink. */
	function easy(grey, scale) {
		const already = Prepare.asMnist(grey);
		if (already) {
			const image = Prepare.unit(already);
			const whole = [0, 0, round(scale * grey.width), round(scale * grey.height)];
			const digit = { image, box: whole, confidence: Judge.odds(image).one };
			return { digit, weight: 1, ink: null };
		}
		const ink = Prepare.findInk(grey);
		if (!ink) return null;
		const image = Prepare.unit(Prepare.centred(Prepare.fitted(ink)));
		const { height, width } = grey;
		const [left, top, right, bottom] = ink.box;
		const crosses =
			(top <= 1 && bottom >= height - 1) || (left <= 1 && right >= width - 1);
		let confidence = Judge.odds(image).one;
		if (crosses && confidence < DOUBTED) confidence *= CROSSING;
		confidence = likelier(confidence, inkOdds(ink, grey));
		const pixel = ((right - left) * (bottom - top)) / ink.values.length;
		const step = Math.max(1, sideOf(grey) / VIEW);
		const box = ink.box.map((side) => round(scale * side));
		const digit = { image, box, confidence };
		return { digit, weight: (sum(ink.values) * pixel) / step ** 2, ink };
	}

	/** The ways in which the ink of a grey picture may be told from its paper: for dark ink
      and for light, by a background without and with the edges of shadows. */
	function* looks(grey, scale, darks, closes) {
		const whole = shrunk(grey, CLOSER);
		const { base, top, left } = Sheet.cutOut(whole);
		if (base !== whole) darks = [true]; // what is written on a sheet that is light
		const longer = ({ height, width }) => Math.max(height, width);
		scale *= longer(grey) / longer(whole);
		let view = shrunk(base, VIEW);
		if (Math.min(view.height, view.width) > 100) view = blurred(view, 0.7);
		const middle = Ink.background(view);
		for (const dark of darks) {
			const [b, v, level] = [base, view, middle].map((each) =>
				dark ? each : { ...each, values: each.values.map((x) => 1 - x) },
			);
			const seen = [];
			for (const close of closes) {
				const paper = close ? Ink.closeBackground(v, level) : level;
				const ink = Ink.find(v, paper);
				// The other background has the edges of shadows, and leaves few in the ink.
				for (const { mask, isMixed } of masks(ink, dark, !close)) {
					const least = 0.005 * count(mask);
					const differ = (other) => count(where(mask, (v, i) => v !== other.values[i]));
					if (seen.some((other) => differ(other) <= least)) continue;
					seen.push(mask);
					const cuts = close ? 0 : CUTS;
					const { strength } = ink;
					yield new Look({
						base: b,
						level: v,
						paper,
						strength,
						mask,
						top,
						left,
						scale,
						cuts,
						isDark: dark,
						isMixed,
					});
				}
			}
		}
	}

	/** What may be digits: all ink, then the stronger alone; with lines and without. And
      whether it has ink of two strengths. */
	function* masks({ strength, mask }, dark, again) {
		while (mask) {
			// What lies in a shadow is darker, and a shadow is dark.
			const strong = dark ? Ink.stronger(strength, mask, SOFT) : null;
			const isMixed = strong !== null;
			yield { mask, isMixed };
			for (const each of Strokes.withoutLines(mask)) yield { mask: each, isMixed };
			mask = again ? strong : null;
		}
	}

	/* ------------------------------------------------------- pieces as digits */

	/** A piece and its image, with how sure it is that it is one digit, and several. */
	const asked = (piece, image) => ({ piece, image, ...Judge.odds(image) });

	/** The digits of a look, joined or cut where that makes digits; whether any was cut. */
	function judged(look, pieces) {
		const each = pieces.map((piece) => {
			const found = asked(piece, look.digit(piece));
			const { one } = found;
			const none =
				one > EDGE && (look.isPale(piece) || look.isEdge(piece, one > CERTAIN));
			return none ? { ...found, one: 0 } : found;
		});
		let [{ cuts }, halved] = [look, false];
		const parts = joined(look, each).flatMap((part) => {
			if (!cuts || part.several <= Math.max(SEVERAL, RATHER * part.one)) return [part];
			cuts--;
			const halves = cutApart(look, part.piece);
			halved ||= halves !== null;
			return halves || [part];
		});
		const doubted = parts.map((each) =>
			each.one > EDGE
				? { ...each, one: likelier(each.one, look.odds(each.piece)) }
				: each,
		);
		return { parts: doubted, halved };
	}

	/** Neighbours that are no digits and make one together, joined. */
	function joined(look, list) {
		const found = [...list];
		for (let i = 0, tries = 0; i + 1 < found.length && tries < TRIES; i++) {
			const pair = found.slice(i, i + 2);
			const sure = pair.map((each) => each.one);
			if (Math.min(...sure) >= 0.5) continue;
			const whole = union(...pair.map((each) => each.piece));
			if (whole.own.width >= 1.3 * whole.own.height) continue;
			tries++;
			const one = asked(whole, look.digit(whole));
			if (one.one <= Math.max(SURE, ...sure) || look.isEdge(whole, true)) continue;
			found.splice(i, 2, one);
			i = Math.max(0, i - 1) - 1;
		}
		return found;
	}

	function union(a, b) {
		const [top, left] = [Math.min(a.top, b.top), Math.min(a.left, b.left)];
		const bottom = Math.max(a.top + a.own.height, b.top + b.own.height);
		const right = Math.max(a.left + a.own.width, b.left + b.own.width);
		const size = { height: bottom - top, width: right - left };
		const [one, other] = [a, b].map((each) =>
			placed(each.own, each.top - top, each.left - left, size),
		);
		const own = where(one, (v, i) => v || other.values[i]);
		return { own, top, left, weight: a.weight + b.weight };
	}

	/** A piece as digits that touch, by the best of some cuts; null if it is not that. */
	function cutApart(look, piece, most = null) {
		const { height, width } = piece.own;
		most ??= Math.max(2, Math.trunc(width / (NARROWEST * height)));
		const detail = look.detail(piece);
		const level = thickened(detail.level);
		const edge = Math.floor((level.height - detail.own.height) / 2); // what a thickened stroke needed
		const step = detail.own.width / (width + 4);
		const whole = sum(level.values);
		const mask = where(level, (v) => v > 0.5);
		// The first digit is cut off: of a longer number the rest is cut again.
		const from = 0.25 * Math.min(width, 1.2 * height);
		const to = Math.min(0.75 * width, height);
		let best = { sure: -Infinity };
		for (const slant of [0, 0.25, -0.25, 0.5])
			for (let k = 0; k < 13; k++) {
				const at = k < 12 ? k * ((to - from) / 12) + from : to;
				const first = new Float32Array(level.values.length);
				const isLeft = new Uint8Array(level.values.length);
				for (let y = 0, i = 0; y < level.height; y++)
					for (let x = 0; x < level.width; x++, i++) {
						const along = x - edge + slant * (y - (level.height - 1) / 2);
						if (!(along / step - 2 < at)) continue;
						[first[i], isLeft[i]] = [level.values[i], 1];
					}
				if (strokesCut(mask, isLeft) > MOST_CUT) continue;
				const sides = [first, level.values.map((v, i) => v - first[i])];
				if (!(Math.min(...sides.map(sum)) > 0.1 * whole)) continue;
				const halves = sides.map((values) =>
					asked(piece, fitted({ ...level, values })),
				);
				const [one, rest] = halves;
				const other = Math.max(rest.one, most > 2 ? rest.several : 0);
				const sure = Math.min(one.one, other);
				if (sure > best.sure) best = { sure, slant, at, halves };
			}
		if (best.sure < HALF) return null;
		const left = where(piece.own, (_, i) => {
			const [y, x] = [Math.floor(i / width), i % width];
			return x + best.slant * (y - (height - 1) / 2) < best.at;
		});
		const owned = [both(piece.own, left), without(piece.own, left)];
		// So long and thin that the closer look was a coarser one.
		if (!owned.every(count)) return null;
		const [first, second] = owned.map((own, i) => ({
			...best.halves[i],
			piece: part(piece, own),
		}));
		if (second.one >= second.several) return [first, second];
		const more = cutApart(look, second.piece, most - 1);
		return more && [first, ...more];
	}

	/** How many strokes are cut where what is left of the cut ends. */
	function strokesCut({ height, width, values }, isLeft) {
		let [strokes, before] = [0, false];
		for (let y = 0; y < height; y++) {
			let crossed = false;
			for (let i = y * width; i < (y + 1) * width - 1; i++)
				crossed ||= values[i] && values[i + 1] && isLeft[i] && !isLeft[i + 1];
			if (crossed && !before) strokes++;
			before = crossed;
		}
		return strokes;
	}

	function part(piece, own) {
		const at = box(own);
		return {
			own: cut(own, at),
			top: piece.top + at.top,
			left: piece.left + at.left,
			weight: (count(own) / count(piece.own)) * piece.weight,
		};
	}

	/** Surer of what stands among digits, less sure of digits among ink that is none.

      A clumsy digit of a number is one more likely than a clumsy sign alone, and a letter
      of a word may look like a digit. */
	function inContext(list, weights) {
		const found = amongDigits(list);
		const isDigit = found.map((each) => each.confidence >= 0.5);
		const read = sum(weights.filter((_, i) => isDigit[i]));
		// Of the ink about each, and its own, which is not held against itself.
		return found.map((each, i) => {
			const share = (read + (isDigit[i] ? 0 : weights[i])) / (sum(weights) || 1);
			return { ...each, confidence: share * each.confidence };
		});
	}

	/** Surer of what is as high as the others, of which two thirds surely are digits.

      It stands beside one of those; the edge of a shadow or a sheet seldom does. */
	function amongDigits(found) {
		const high = ({ box: [, top, , bottom] }) => bottom - top;
		const beside = (a, b) => {
			const shared = Math.min(a.box[3], b.box[3]) - Math.max(a.box[1], b.box[1]);
			return shared / Math.min(high(a), high(b)) > BESIDE;
		};
		const sure = found.filter((each) => each.confidence > CERTAIN);
		if (!sure.length || 3 * sure.length < 2 * (found.length - 1)) return found;
		const middle = median(sure.map(high));
		return found.map((each) => {
			const ratio = high(each) / middle;
			const { confidence } = each;
			const likely =
				ratio > 0.6 &&
				ratio < 1.6 &&
				!(confidence > CERTAIN) &&
				sure.some((other) => beside(each, other));
			return { ...each, confidence: likelier(confidence, likely ? NEIGHBOURS : 1) };
		});
	}

	/** The probability of what has so many times the odds. */
	const likelier = (confidence, times) =>
		(times * confidence) / (1 + (times - 1) * confidence);

	/** How much ink a look explains as digits. */
	const worth = (found, weights) =>
		sum(found.map((each, i) => weights[i] * each.confidence ** 4)) ** 0.5;

	/* ------------------------------------------------------------ what is said */

	/** The digits of a picture as `kerasconv predict` tells them: each with a status, and
      one sentence where something is in doubt; `least` is how sure it must be of each. */
	function read(grey, scale, least = DATA.judge["min confidence"]) {
		const digits = find(grey, scale).map((each) => {
			const none = each.confidence < 0.5 ? "no digit" : "unsure";
			return { ...each, status: each.confidence < least ? none : "ok" };
		});
		doubtWithinNumbers(digits);
		if (!digits.length)
			return { digits, says: "the picture is blank: no ink stands out from the paper" };
		const found = digits.filter((each) => each.status !== "no digit");
		const told = (list) => {
			const lowest = Math.min(...list.map((each) => each.confidence));
			return `the confidence that it shows a digit is ${Number(lowest.toPrecision(3))}`;
		};
		let says = "";
		if (!found.length) says = `${told(digits)}: what it shows is no digit`;
		else if (found.some((each) => each.status === "unsure"))
			says = `${told(found)}, less than the ${Number(least.toPrecision(3))} asked`;
		return { digits: found, says };
	}

	/** What stands between the digits of a number and is as high may be one: unsure.

      A number without one of its digits would be another number. */
	function doubtWithinNumbers(digits) {
		const high = ({ box: [, top, , bottom] }) => bottom - top;
		for (const line of inOrder(digits)) {
			const isRead = line.map((each) => each.status !== "no digit");
			const highest = Math.max(...line.filter((_, i) => isRead[i]).map(high));
			for (let i = isRead.indexOf(true); i < isRead.lastIndexOf(true); i++)
				if (!isRead[i] && high(line[i]) > 0.6 * highest) line[i].status = "unsure";
		}
	}

	return { find, read };
})();
