"use strict";
/* Whether a prepared picture is a digit: a small network of its own
   (kerasconv/pictures/judge.py). Of twelve classes ten are the digits, one is what is no
   digit, and one is several digits at once. */

const Judge = (() => {
	let weights = null;

	/** Unpacks the weights, once: one byte each, and what a step is worth at an output. */
	async function load() {
		if (weights) return;
		const found = {};
		for (const [name, { values, step }] of Object.entries(DATA.judge.arrays)) {
			const steps = new Int8Array((await Engine.bytes(values)).buffer);
			found[name] = Float32Array.from(steps, (v, i) => v * step[i % step.length]);
		}
		weights = { ...found, ...DATA.judge.vectors };
	}

	/** A 3 x 3 convolution without a border, and ReLU. */
	function convolved({ side, maps, values }, kernel, bias) {
		const [out, filters] = [side - 2, bias.length];
		const found = new Float32Array(out * out * filters);
		const sums = new Float64Array(filters);
		for (let y = 0, at = 0; y < out; y++)
			for (let x = 0; x < out; x++, at += filters) {
				sums.set(bias);
				for (let cell = 0; cell < 9; cell++) {
					const from = ((y + Math.floor(cell / 3)) * side + x + (cell % 3)) * maps;
					for (let m = 0; m < maps; m++) {
						const v = values[from + m];
						if (v === 0) continue;
						const first = (cell * maps + m) * filters;
						for (let f = 0; f < filters; f++) sums[f] += v * kernel[first + f];
					}
				}
				for (let f = 0; f < filters; f++) found[at + f] = Math.max(0, sums[f]);
			}
		return { side: out, maps: filters, values: found };
	}

	/** The largest of every 2 x 2; an odd last row or column falls away. */
	function pooled({ side, maps, values }) {
		const half = side >> 1;
		const found = new Float32Array(half * half * maps);
		for (let y = 0, at = 0; y < half; y++)
			for (let x = 0; x < half; x++)
				for (let m = 0; m < maps; m++) {
					const i = (2 * y * side + 2 * x) * maps + m;
					const below = i + side * maps;
					const upper = Math.max(values[i], values[i + maps]);
					found[at++] = Math.max(upper, values[below], values[below + maps]);
				}
		return { side: half, maps, values: found };
	}

	function dense(values, matrix, bias) {
		const sums = Float64Array.from(bias);
		values.forEach((v, i) => {
			for (let f = 0; f < sums.length; f++) sums[f] += v * matrix[i * sums.length + f];
		});
		return sums;
	}

	/** The logarithm of the sum of the exponentials. */
	function joined(logs) {
		const most = Math.max(...logs);
		return most + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - most), 0));
	}

	const sigmoid = (odds) => 1 / (1 + Math.exp(-odds));

	/** How sure it is that an image of 28 x 28 is one digit, of any class, and several. */
	function odds(values) {
		const w = weights;
		let x = { side: 28, maps: 1, values };
		for (const i of "12") x = pooled(convolved(x, w[`kernel${i}`], w[`bias${i}`]));
		const hidden = dense(x.values, w.dense, w["dense bias"]).map((v) => Math.max(0, v));
		const logits = Array.from(dense(hidden, w.logits, w["logits bias"]));
		const one = joined(logits.slice(0, 10));
		const [none, several] = logits.slice(10);
		return {
			one: sigmoid(one - joined([none, several])),
			several: sigmoid(several - joined([one, none])),
		};
	}

	return { load, odds };
})();
