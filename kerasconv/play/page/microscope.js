"use strict";
/* The microscope: how one value was made, number by number. */

const Microscope = (() => {
	const { element, short, tint } = Draw;
	const sign = (v) => (v < 0 ? "−" : "+");
	const size = (cells) => Math.max(...cells.map(Math.abs), 1e-9);

	/** A grid of numbers; `cell` makes the content of each, or the number itself. */
	function grid(label, numbers, wide, made = null, most = size(numbers)) {
		const box = element("div", { class: "grid", role: "group", "aria-label": label, style: `--wide:${wide}` }); // prettier-ignore
		numbers.forEach((v, i) => {
			const content = made ? made(v, i) : short(v);
			box.append(element("span", { style: tint(v, most) }, content));
		});
		return element("figure", {}, box, element("figcaption", {}, label));
	}

	const line = (...parts) => element("p", { class: "sum" }, ...parts);

	function activated(told, name) {
		const { before, value } = told;
		if (name === "softmax")
			return line(
				`softmax: e^${short(before)} ÷ the sum of all e^logit = `,
				element("b", {}, `${(100 * value).toFixed(1)} %`),
			);
		if (!name || name === "linear") return null;
		return line(`${name === "relu" ? "ReLU" : name} ${short(before)} → `, element("b", {}, short(value))); // prettier-ignore
	}

	/** Window x kernel = products, for one map of those that the layer is given. */
	function products(term, layer, edit) {
		const wide = layer.size[1];
		const pick = (key) => term.cells.map((cell) => cell[key]);
		const input = (v, i) =>
			element("input", {
				value: short(v),
				inputmode: "text",
				size: 3,
				"aria-label": `weight, row ${Math.floor(i / wide)}, column ${i % wide}`,
				"data-key": `w${i}`,
				onchange(event) {
					const typed = Number(event.target.value.replace("−", "-").replace(",", "."));
					edit.weight(term.map, term.cells[i].at, Number.isFinite(typed) ? typed : v);
				},
			});
		return element(
			"div",
			{ class: `slide wide${wide > 3 ? " large" : ""}` },
			grid("window", pick("value"), wide, (v, i) =>
				term.cells[i].outside ? "·" : short(v),
			),
			element("span", { class: "op" }, "×"),
			grid("kernel", pick("weight"), wide, wide > 3 ? null : input),
			element("span", { class: "op" }, "="),
			grid("products", pick("product"), wide),
		);
	}

	function kernels(edit, term) {
		const box = element("div", { class: "buttons" });
		for (const [name, numbers] of Object.entries(Engine.KERNELS))
			box.append(
				element("button", { "data-key": name, onclick: () => edit.kernel(term.map, numbers) }, name), // prettier-ignore
			);
		const back = () => edit.kernel(term.map, null);
		box.append(element("button", { "data-key": "learned", onclick: back }, "Learned"));
		return box;
	}

	/** The part of each input map as a bar: up is more, down is less. */
	function bars(terms, chosen, pick) {
		const most = size(terms.map((term) => term.sum));
		const box = element("div", { class: "bars", role: "group", "aria-label": "Contribution of each map" }); // prettier-ignore
		terms.forEach((term, i) => {
			const high = (50 * Math.abs(term.sum)) / most;
			const bar = element("i", { class: term.sum < 0 ? "less" : "more", style: `height:${high}%` }); // prettier-ignore
			const button = element(
				"button",
				{
					"data-key": `b${i}`,
					"aria-label": `map ${term.map}: ${short(term.sum)}`,
					"aria-pressed": String(i === chosen),
					tabindex: i === chosen ? "0" : "-1",
					onclick: () => pick(i),
					onkeydown(event) {
						const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
						if (!step) return;
						event.preventDefault();
						const next = (i + step + terms.length) % terms.length;
						box.children[next].focus();
						pick(next);
					},
				},
				bar,
			);
			box.append(button);
		});
		return box;
	}

	function convolution(told, term, pick, edit) {
		const { layer, terms, sum, bias, before } = told;
		const cells = layer.size[0] * layer.size[1];
		const count = cells * terms.length;
		const parts = [];
		if (terms.length > 1) {
			const each = `${cells} from each of ${terms.length} maps`;
			parts.push(
				element(
					"p",
					{},
					`${count} products, ${each}. Choose a map; type in a kernel to change it.`,
				),
			);
			parts.push(bars(terms, term, pick));
			parts.push(element("p", {}, `from map ${terms[term].map}: ${short(terms[term].sum)}`)); // prettier-ignore
		}
		parts.push(products(terms[term], layer, edit));
		const all = terms.length > 1 ? `sum of all ${count}` : "sum";
		const added = layer.bias ? ` ${sign(bias)} bias ${short(Math.abs(bias))}` : "";
		parts.push(line(`${all} ${short(sum)}${added} = ${short(before)}`));
		parts.push(activated(told, layer.activation));
		if (cells === 9) parts.push(kernels(edit, terms[term]));
		return parts;
	}

	function pool(told) {
		const { layer, cells, value } = told;
		const wide = layer.size[1];
		const values = cells.map((cell) => cell.value);
		const within = cells.filter((cell) => !cell.outside);
		const most = Math.max(...within.map((cell) => cell.value));
		const wins = (cell) => layer.pool === "max" && !cell.outside && cell.value === most;
		const window = grid("window", values, wide, (v, i) =>
			cells[i].outside ? "·" : wins(cells[i]) ? element("b", {}, short(v)) : short(v),
		);
		const slide = element("div", { class: `slide${wide > 3 ? " large" : ""}` }, window);
		const n = within.length;
		const shown = element("b", {}, short(value));
		const weights = (share) => {
			slide.append(
				element("span", { class: "op" }, "×"),
				grid("weights", cells.map(share), wide),
				element("span", { class: "op" }, "="),
				grid("parts", cells.map((cell) => cell.part || 0), wide), // prettier-ignore
			);
		};
		let says = line(`the largest of ${n} → `, shown);
		if (layer.pool === "average") {
			weights((cell) => (cell.outside ? 0 : 1 / n));
			says = line("sum of the parts = the average → ", shown);
		} else if (layer.pool === "weighted") {
			weights((cell) => cell.weight || 0);
			says = line("sum of the parts, weights adding up to 1 → ", shown);
		} else if (layer.pool === "lp") {
			slide.append(
				element("span", { class: "op" }, "→"),
				grid(
					`|x|^${layer.p}${layer.mean ? ` ÷ ${n}` : ""}`,
					cells.map((cell) => cell.part || 0),
					wide,
				),
			);
			const root = layer.p === 2 ? "square root" : `root of order ${layer.p}`;
			says = line(`their sum, and its ${root} → `, shown);
		}
		return [slide, says];
	}

	function dense(told, name, all) {
		const { layer, terms, sum, bias, before } = told;
		const order = [...terms].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
		const shown = order.slice(0, 8);
		const rest = sum - shown.reduce((a, term) => a + term.sum, 0);
		const most = size(shown.map((term) => term.sum));
		const rows = shown.map(
			({ map, cells, sum: part }) =>
      element("tr", {}, ...[all(map), short(cells[0].value), "×", short(cells[0].weight), "="].map((t) => element("td", {}, t)), element("td", { style: tint(part, most) }, short(part))), // prettier-ignore
		);
		const table = element("table", {}, element("tbody", {}, ...rows));
		return [
			element("p", {}, `${terms.length} products. The largest:`),
			table,
			line(`these ${short(sum - rest)} ${sign(rest)} ${terms.length - shown.length} others ${short(Math.abs(rest))}${layer.bias ? ` ${sign(bias)} bias ${short(Math.abs(bias))}` : ""} = logit `, element("b", {}, short(before))), // prettier-ignore
			activated(told, layer.activation),
		];
	}

	function other(told) {
		const { layer, from, scale, shift, before, value } = told;
		if (layer.kind === "norm")
      return [line(`${short(from)} × ${short(scale)} ${sign(shift)} ${short(Math.abs(shift))} = `, element("b", {}, short(before)))]; // prettier-ignore
		return [line(`${layer.activation} of ${short(from)} → `, element("b", {}, short(value)))]; // prettier-ignore
	}

	/** Shows how a value came about. `chosen` is {layer, at, map, term}; `pick` chooses
      another of the input's maps, `edit` changes weights, `name(i)` says what a number
      of a flattened layer was. */
	function show(host, told, chosen, pick, edit, name) {
		const focused = host.contains(document.activeElement)
			? document.activeElement.dataset.key
			: null;
		let parts;
		if (told.layer.kind === "dense") parts = dense(told, chosen, name);
		else if (told.terms) parts = convolution(told, chosen.term, pick, edit);
		else if (told.cells) parts = pool(told);
		else parts = other(told);
		host.replaceChildren(...parts.filter(Boolean));
		if (focused) host.querySelector(`[data-key="${focused}"]`)?.focus();
	}

	return { grid, show };
})();
