"use strict";
/* What is loaded only where a reader asks for it: own files, and the choice of digits. */

const Own = (() => {
	const { element, pixels } = Draw;

	const [MAX_BYTES, MAX_PIXELS, SIDE] = [1e8, 8e7, 1600];

	/** A picture file decoded, with less than twice SIDE pixels a side.

      An <img> knows its size before anything is decoded. */
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
		const shrink = Math.floor(Math.max(width, height) / SIDE);
		const [resizeWidth, resizeHeight] = [width, height].map((n) =>
			Math.ceil(n / shrink),
		);
		const smaller = { resizeWidth, resizeHeight, resizeQuality: "high" };
		return createImageBitmap(file, shrink > 1 ? smaller : {}).catch(unread);
	}

	/** A picture file as the values that a network of this input takes.

      For a reader of digits it is prepared as `prepare_digit` does, for others resized;
      an error's message is one sentence for the reader. */
	async function picture(file, [high, wide, maps], load) {
		const bitmap = await decoded(file);
		const { width, height } = bitmap;
		const context = element("canvas", { width, height }).getContext("2d");
		context.drawImage(bitmap, 0, 0);
		const { data } = context.getImageData(0, 0, width, height);
		await load("prepare.js");
		const grey = Prepare.grey(width, height, data);
		if (high === 28 && wide === 28 && maps === 1) {
			const digit = Prepare.digit(grey);
			if (digit) return digit;
			throw new Error(`${file.name} is blank: no ink stands out from the paper.`);
		}
		const layers = Array.from({ length: maps }, (_, c) => {
			const one =
				maps === 3 ? grey.values.map((_, i) => data[4 * i + c] / 255) : grey.values;
			return Prepare.resize({ ...grey, values: one }, wide, high, "bilinear").values;
		});
		return Float32Array.from(
			{ length: high * wide * maps },
			(_, i) => layers[i % maps][Math.floor(i / maps)],
		);
	}

	/** A dropped `.keras` file as the page's data of a network. */
	async function network(file, load) {
		await load("file.js");
		const name = `${file.name.replace(/\.keras$/, "")} (yours)`;
		return { ...(await KerasFile.read(file, file.name)), name };
	}

	/** Shows all test digits; `take` hears which one was chosen. */
	function gallery(dialog, labels, levels, take) {
		const host = dialog.querySelector("div");
		if (!host.children.length)
			labels.forEach((label, i) => {
				const canvas = element("canvas", { width: 28, height: 28 });
				const values = levels.subarray(784 * i, 784 * (i + 1));
				canvas.getContext("2d").putImageData(pixels(values, 28, 28, 1, 0, 255), 0, 0);
				const chosen = () => {
					dialog.close();
					take(i);
				};
				const named = { "aria-label": `digit ${i}: a ${label}`, onclick: chosen };
				host.append(element("button", named, canvas));
			});
		dialog.showModal();
	}

	return { gallery, network, picture };
})();
