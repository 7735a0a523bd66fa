"use strict";
/* node engine_check.js PAGE REQUEST: what the engine computes, for tests/test_play.py. */

const fs = require("fs");
const path = require("path");
const [page, request] = process.argv.slice(2);
const Engine = require(path.join(page, "engine.js"));
const floats = (file) => new Float32Array(new Uint8Array(fs.readFileSync(file)).buffer);

/** A network of a written page, from the script that the page would load. */
async function network(file) {
	const text = fs.readFileSync(path.join(page, file), "utf8");
	const data = JSON.parse(text.slice(text.indexOf("] = ") + 4, text.lastIndexOf(";")));
	return Engine.build({ ...data, weights: await Engine.floats(data.weights) });
}

/** The largest difference of each layer to the values that Keras computed. */
async function differences({ file, images, layers }) {
	const net = await network(file);
	const inputs = floats(images);
	const wanted = layers.map(floats);
	const size = net.input.reduce((a, b) => a * b);
	const worst = net.layers.map(() => 0);
	for (let i = 0; i * size < inputs.length; i++) {
		const passed = Engine.run(net, inputs.subarray(i * size, (i + 1) * size));
		net.layers.forEach((_, n) => {
			const { values } = passed[n + 1];
			const their = wanted[n].subarray(i * values.length, (i + 1) * values.length);
			values.forEach((v, k) => (worst[n] = Math.max(worst[n], Math.abs(v - their[k]))));
		});
	}
	return worst;
}

/** The largest difference between a value shown and what its explanation adds up to. */
async function explained({ file, images, places }) {
	const net = await network(file);
	const size = net.input.reduce((a, b) => a * b);
	const passed = Engine.run(net, floats(images).subarray(0, size));
	let worst = 0;
	for (const [index, ...shares] of places) {
		const layer = net.layers[index];
		const at = shares.map((share, axis) => Math.floor(share * layer.shape[axis]));
		const told = Engine.explain(net, passed, index, ...at);
		const place = at[0] * layer.shape[1] + at[1];
		// Softmax needs all values of the pixel, each by its own explanation.
		const before = Array.from({ length: layer.shape[2] }, (_, m) =>
			layer.activation === "softmax" || m === at[2]
				? Engine.explain(net, passed, index, at[0], at[1], m).before
				: 0,
		);
		const made = Engine.activate(Float32Array.from(before), before.length,
      layer.activation || "linear"); // prettier-ignore
		const shown = passed[index + 1].values[place * layer.shape[2] + at[2]];
		if (told.terms) {
			const products = told.terms.flatMap((t) => t.cells.map((c) => c.product));
			const sum = products.reduce((a, b) => a + b, 0) + told.bias;
			worst = Math.max(worst, Math.abs(sum - told.before));
		}
		worst = Math.max(worst, Math.abs(made[at[2]] - shown));
	}
	return worst;
}

/** The receptive fields on the image of a value amid each layer, as (height, width). */
async function fields({ file }) {
	const net = await network(file);
	return net.layers.map((layer, index) => {
		const [y, x] = [layer.shape[0] >> 1, layer.shape[1] >> 1];
		const box = Engine.field(net, index, y, x, 0, 0);
		return [box.bottom - box.top + 1, box.right - box.left + 1];
	});
}

const asked = JSON.parse(fs.readFileSync(request, "utf8"));
const answer = { differences, explained, fields };
Promise.all(asked.map((one) => answer[one.what](one))).then((found) =>
	console.log(JSON.stringify(found)),
);
