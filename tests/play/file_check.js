"use strict";
/* node file_check.js PAGE REQUEST: .keras files read in JavaScript, for test_play.py. */

const fs = require("fs");
const path = require("path");
const [page, request] = process.argv.slice(2);
const KerasFile = require(path.join(page, "file.js"));

/** The network without its weights, and these as bits; or the sentence of a refusal. */
async function read(bytes, name) {
	try {
		const { weights, ...rest } = await KerasFile.read(new Blob([bytes]), name);
		const bits = Buffer.from(weights.buffer).toString("base64");
		return { ...rest, weights: bits };
	} catch (error) {
		return { refused: error.message };
	}
}

(async () => {
	const found = [];
	for (const { file, name, changes } of JSON.parse(fs.readFileSync(request, "utf8"))) {
		const whole = new Uint8Array(fs.readFileSync(file));
		if (!changes) {
			found.push(await read(whole, name));
			continue;
		}
		// Many damaged copies: only what differs from the original is told.
		const right = JSON.stringify(await read(whole, name));
		for (const [at, value, end] of changes) {
			const copy = end === null ? whole.slice() : whole.slice(0, end);
			copy[at] = value;
			const one = await read(copy, name);
			const same = !one.refused && JSON.stringify(one) === right;
			found.push(one.refused ? "refused" : same ? "same" : "other");
		}
	}
	console.log(JSON.stringify(found));
})();
