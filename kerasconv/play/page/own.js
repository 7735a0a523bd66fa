"use strict";
/* What is loaded only where a reader asks for it: own files, and the choice of digits. */

const Own = (() => {
	const { element, pixels } = Draw;

	/** A picture file as the values that a network of this input takes.

      The browser decodes it. For a reader of digits it is prepared as `predict` does,
      for others resized; an error's message is one sentence for the reader. */
	async function picture(file, [high, wide, maps], load) {
		let bitmap;
		try {
			bitmap = await createImageBitmap(file);
		} catch {
			throw new Error(`${file.name} is no picture that this browser reads.`);
		}
		const { width, height } = bitmap;
		if (width * height > 1e7)
			throw new Error(
				`${file.name} has ${width} × ${height} pixels: crop or shrink it.`,
			);
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
		const bytes = new Uint8Array(await file.slice(0, 33e6).arrayBuffer());
		const name = `${file.name.replace(/\.keras$/, "")} (yours)`;
		return { ...(await KerasFile.read(bytes, file.name)), name };
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
