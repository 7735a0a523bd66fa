"use strict";
/* node search_check.js PAGE REQUEST: what JavaScript finds in pictures, for test_play.py. */

const fs = require("fs");
const path = require("path");
const vm = require("vm");
const [page, request] = process.argv.slice(2);

// As the page loads them: each sees the global of those before it.
const FILES = ["data/index", "data/judge", "engine", "raster", "prepare", "ink", "sheet",
	"strokes", "judge", "look", "scene"]; // prettier-ignore
for (const name of FILES) {
	const filename = path.join(page, `${name}.js`);
	vm.runInThisContext(fs.readFileSync(filename, "utf8"), { filename });
}

const levels = (image) => image && Array.from(image, (v) => Math.round(255 * v));

function answer({ file, height, width, channels, what, least }) {
	const bytes = new Uint8Array(fs.readFileSync(file));
	const picture =
		channels === 4
			? Prepare.grey(width, height, bytes)
			: Raster.image(height, width, new Float32Array(bytes.buffer));
	if (what === "grey") return Array.from(picture.values);
	if (what !== "search") return levels(Prepare[what](picture));
	const { digits, says } = Scene.read(picture, 1, least);
	return { says, digits: digits.map((one) => ({ ...one, image: levels(one.image) })) };
}

Judge.load().then(() => {
	const asked = JSON.parse(fs.readFileSync(request, "utf8"));
	console.log(JSON.stringify(asked.map(answer)));
});
