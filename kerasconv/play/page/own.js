"use strict";
/* What is loaded only where a reader asks for it: own files, and the choice of digits. */

const Own = (() => {
	const { element, pixels } = Draw;

	const [MAX_BYTES, MAX_PIXELS] = [1e8, 8e7];

	/** A picture file decoded; an <img> knows its size before anything is. */
	async function decoded(file) {
		if (file.size > MAX_BYTES) throw new Error(`${file.name} has more than 100 MB.`);
		const unread = () => {
			throw new Error(
				`${file.name} is no picture that this browser reads, and no .keras file.`,
			);
		};
		const image = element("img", { src: URL.createObjectURL(file) });
		await new Promise((onload, onerror) =>
			Object.assign(image, { onload, onerror }),
		).catch(unread);
		URL.revokeObjectURL(image.src);
		const { naturalWidth: width, naturalHeight: height } = image;
		if (width * height > MAX_PIXELS)
			throw new Error(
				`${file.name} has ${width} × ${height} pixels: crop or shrink it.`,
			);
		return createImageBitmap(file).catch(unread);
	}

	/** The pixels of a picture, red, green, blue and alpha; of a large one reduced by a
      whole factor, by area, as `read_reduced` does it. */
	function reduced(bitmap) {
		const [high, wide] = [bitmap.height, bitmap.width];
		const side = Raster.sideOf(bitmap);
		const factor = Math.max(1, Math.floor(side / DATA.constants.scene.CLOSER));
		const [height, width] = [high, wide].map((n) => Math.ceil(n / factor));
		const data = new Uint8ClampedArray(4 * height * width);
		const part = 256 * factor; // of the square that is reduced at a time
		const square = element("canvas", { width: part, height: part });
		const context = square.getContext("2d", { willReadFrequently: true });
		for (let top = 0; top < high; top += part)
			for (let left = 0; left < wide; left += part) {
				context.clearRect(0, 0, part, part);
				context.drawImage(bitmap, -left, -top);
				const [rows, columns] = [Math.min(part, high - top), Math.min(part, wide - left)]; // prettier-ignore
				const pixels = context.getImageData(0, 0, columns, rows).data;
				for (let y = 0; y < rows; y += factor)
					for (let x = 0; x < columns; x += factor) {
						const [end, right] = [Math.min(rows, y + factor), Math.min(columns, x + factor)]; // prettier-ignore
						const count = (end - y) * (right - x);
						// Pillow multiplies by the inverse, in whole numbers.
						const inverse = Math.trunc(Math.fround(2 ** 24 / count));
						const at = 4 * (((top + y) / factor) * width + (left + x) / factor);
						for (let c = 0; c < 4; c++) {
							let sum = count >> 1;
							for (let r = y; r < end; r++)
								for (let k = x; k < right; k++)
									sum += pixels[4 * (r * columns + k) + c];
							data[at + c] = Math.floor((sum * inverse) / 2 ** 24);
						}
					}
			}
		bitmap.close();
		return {
			height,
			width,
			data,
			scale: Math.max(high, wide) / Math.max(height, width),
		};
	}

	const SEARCH = [
		"raster",
		"prepare",
		"ink",
		"sheet",
		"strokes",
		"judge",
		"look",
		"scene",
	];

	/** A picture file as images that the network takes, and what is to be said of them.

      For a reader of digits they are the digits that `kerasconv predict` finds in it, for
      others the whole picture, prepared as their card says; an error's message is one
      sentence for the reader. */
	async function picture(file, net, load) {
		const bitmap = await decoded(file);
		await load(...SEARCH.map((name) => `${name}.js`), "data/judge.js");
		const { height, width, data, scale } = reduced(bitmap);
		const grey = Prepare.grey(width, height, data);
		if (Engine.readsDigits(net)) {
			await Judge.load();
			const { digits, says } = Scene.read(grey, scale, net.min_confidence);
			const told = says && `${file.name}: ${says}.`;
			if (!digits.length) throw new Error(told);
			return { images: digits, says: told };
		}
		const [high, wide, maps] = net.input;
		if (String(net.input) === "28,28,1" && net.prepare !== "resize") {
			const image = Prepare[net.prepare ?? "digit"](grey);
			if (!image) throw new Error(`${file.name}: the picture is blank.`);
			return { images: [{ image }], says: "" };
		}
		const layers = Array.from({ length: maps }, (_, c) => {
			const one =
				maps === 3 ? grey.values.map((_, i) => data[4 * i + c] / 255) : grey.values;
			return Raster.resize({ ...grey, values: one }, wide, high, "bilinear").values;
		});
		const image = Float32Array.from(
			{ length: high * wide * maps },
			(_, i) => layers[i % maps][Math.floor(i / maps)],
		);
		return { images: [{ image }], says: "" };
	}

	/** A button that shows an image of 28 x 28 values. */
	function thumbnail(label, values, most, onclick) {
		const canvas = element("canvas", { width: 28, height: 28 });
		canvas.getContext("2d").putImageData(pixels(values, 28, 28, 1, most), 0, 0);
		return element("button", { "aria-label": label, onclick }, canvas);
	}

	/** Shows the digits that were found, as one reads them; `take` hears which one was
      chosen, and at once the first that is sure. */
	function choose(host, images, take) {
		const count = images.length;
		const chosen = (at) => {
			take(images[at].image, `${count} digits were found, this is digit ${at + 1}`); // prettier-ignore
			[...host.children].forEach((button, i) =>
				button.setAttribute("aria-pressed", String(i === at)),
			);
		};
		host.replaceChildren(
			...images.map(({ image, status }, i) =>
				thumbnail(
					`digit ${i + 1} of ${count}${status === "ok" ? "" : ", unsure"}`,
					...[image, 1, () => chosen(i)],
				),
			),
		);
		host.hidden = false;
		chosen(
			Math.max(
				0,
				images.findIndex(({ status }) => status === "ok"),
			),
		);
	}

	/** Opens a `.keras` file or a picture, and gives the sentence that is to be said.

      `look` shows a network by its name and `take` an image; `choice` is the element
      where one of several is chosen. */
	async function open(file, net, { load, look, take, choice }) {
		if (/\.(keras|h5|zip)$/i.test(file.name)) {
			await load("file.js");
			const name = `${file.name.replace(/\.keras$/, "")} (yours)`;
			DATA.loaded[name] = { ...(await KerasFile.read(file, file.name)), name };
			DATA.networks[name] = "";
			await look(name);
			return "";
		}
		const { images, says } = await picture(file, net, load);
		if (images.length > 1) choose(choice, images, take);
		else take(images[0].image);
		return says;
	}

	/** Shows all test digits; `take` hears which one was chosen. */
	function gallery(dialog, { labels, pixels }, take) {
		const host = dialog.querySelector("div");
		if (!host.children.length)
			labels.forEach((label, i) => {
				const values = pixels.subarray(784 * i, 784 * (i + 1));
				const chosen = () => {
					dialog.close();
					take(i);
				};
				host.append(thumbnail(`digit ${i}: a ${label}`, values, 255, chosen));
			});
		dialog.showModal();
	}

	return { gallery, open };
})();
