"use strict";
/* node prepare_check.js PAGE REQUEST: pictures prepared in JavaScript, for test_play.py. */

const fs = require("fs");
const path = require("path");
const [page, request] = process.argv.slice(2);
const Prepare = require(path.join(page, "prepare.js"));

const found = JSON.parse(fs.readFileSync(request, "utf8")).map(
	({ file, height, width, channels }) => {
		const bytes = new Uint8Array(fs.readFileSync(file));
		const picture =
			channels === 4
				? Prepare.grey(width, height, bytes)
				: Prepare.image(height, width, new Float32Array(bytes.buffer));
		const digit = Prepare.digit(picture);
		return { grey: Array.from(picture.values), digit: digit && Array.from(digit) };
	},
);
console.log(JSON.stringify(found));
