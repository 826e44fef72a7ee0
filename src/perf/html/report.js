/* SPDX-License-Identifier: Apache-2.0 */
/* The page: reads the report's JSON (docs/perf-json.md) and shows it. */
"use strict";

const report = JSON.parse(document.getElementById("report").textContent);
const main = document.getElementById("main");
const results = report.results;
const IS_RATE = { bw: true, rate: true };

/* What results have in common that stand in one line of a chart. */
function groupKey(r) {
	const { size, rate, seed, duration_ns, iters, warm_ns, ...rest } = r.case;
	return JSON.stringify(rest);
}

const groups = new Map();
results.forEach((r) => {
	const key = groupKey(r);
	if (!groups.has(key))
		groups.set(key, []);
	groups.get(key).push(r);
});

/* Settings that differ among the results of a test, for names. */
function differing(list) {
	const names = ["provider", "devices", "nics", "window", "threads", "eps", "post_list", "inline_bytes", "pace", "model"];
	return names.filter((name) => new Set(list.filter((r) => r.derived.label === list[0].derived.label)
		.map((r) => String(r.case[name]))).size > 1);
}

function groupName(r, list) {
	const more = differing(list.filter((other) => other.derived.label === r.derived.label)).map((name) => `${name} ${r.case[name]}`);
	return [`${r.derived.label} ${r.case.op}${r.case.bidir ? ", both ways" : ""}`, ...more].join(", ");
}

function what(r) {
	return `${r.case.test} ${r.case.op}${r.case.bidir ? " both ways" : ""} over ${r.derived.label}, ${bytes(r.case.size)}`;
}

function valid(r) {
	return !r.invalid && !r.error;
}

function ofTest(test) {
	return results.filter((r) => r.case.test === test);
}

function groupsOf(test) {
	return [...groups.values()].filter((list) => list[0].case.test === test);
}

const gbits = (v) => v === null ? null : v * 8 / 1e9;
const scaledBy = (factor) => (v) => v === null ? null : v * factor;
const unit = (text) => (v) => v === null || !Number.isFinite(v) ? "n/a" : `${number(v)} ${text}`;
const percent = (v) => v === null || v === undefined ? "n/a" : `${(v * 100).toFixed(1)} %`;

/* --- sections ---------------------------------------------------------------------------------- */

function section(id, title, sub, tools, ...content) {
	document.getElementById("nav").append(el("a", { href: `#${id}` }, title));
	main.append(el("section", { id, "aria-labelledby": `${id}-title`, class: content.some((c) => c && c.classList && c.classList.contains("scroll")) ? "long" : null },
		el("div", { class: "head" }, el("h2", { id: `${id}-title` }, title), el("div", { class: "tools" }, tools)),
		sub ? el("p", { class: "sub" }, sub) : null, ...content));
}

function chartSection(id, title, sub, model, ...more) {
	model.series = model.series.filter((series) => series.x.length);
	if (!model.series.length)
		return;
	if (new Set(model.series.flatMap((series) => series.x)).size === 1) {
		section(id, title, sub, [], bars(model), ...more);
		return;
	}
	const chart = new Chart({ title, ...model }, `weft-perf-${id}`);
	section(id, title, sub, chart.tools(), chart.figure, ...more);
	chart.draw();
}

/* Where there is one size, lines would be points: bars instead. */
function bars(model) {
	const rows = model.series.filter((series) => !series.bare), most = Math.max(...rows.map((series) => series.y[0]));
	return el("div", { class: "bars" }, rows.map((series, index) => {
		const low = series.low && series.low[0], high = series.high && series.high[0];
		return el("div", { class: "bar-row" }, el("span", {}, `${series.name}, ${model.x(series.x[0])}`),
			el("span", { class: "track", "aria-hidden": "true" }, el("i", { style: `width:${100 * series.y[0] / most}%;background:var(--c${hue(series, index)})` })),
			el("strong", {}, model.y(series.y[0]), low && high ? el("small", {}, ` [${number(low)}, ${number(high)}]`) : null));
	}));
}

/* A heading's words stay together, but for what comes behind "here," and "there,". */
function unbroken(title) {
	return title.replace(/(?<!here,) /g, "\u00a0");
}

/* columns: [title, function of a row giving text or node, left-aligned, key of the data attribute]. */
function table(caption, columns, rows, rowClass) {
	const cell = (row) => ([, value, left, key]) => {
		const text = value(row);
		return el("td", { class: [left, text === "n/a" ? "na" : ""].filter(Boolean).join(" ") || null, "data-key": key || null }, text);
	};
	return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
		el("table", {}, el("caption", {}, caption),
			el("thead", {}, el("tr", {}, columns.map(([title, , left]) => el("th", { scope: "col", class: left || null }, unbroken(title))))),
			el("tbody", {}, rows.map((row) => el("tr", { class: rowClass ? rowClass(row) : null }, columns.map(cell(row)))))));
}

/* --- the top ----------------------------------------------------------------------------------- */

function fact(side, name) {
	const found = report[side].facts.find((one) => one.name === name);
	return found ? found.value : null;
}

function sideText(side) {
	const line = report[side].line_rate_bytes_per_s;
	return [fact(side, "hostname"), fact(side, "instance_type"), fact(side, "kernel") && `kernel ${fact(side, "kernel")}`,
		line ? `line rate ${number(line * 8 / 1e9)} Gb/s (${number(line / 1e9)} GB/s)` : "line rate not known"].filter(Boolean).join(", ");
}

function showTop() {
	const rows = [["Command", el("code", {}, report.command)], ["Started", report.started], ["Here", sideText("here")], ["There", sideText("there")]];
	document.getElementById("about").append(...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
	const invalid = results.filter((r) => r.invalid).length;
	const banner = (kind, title, text) => main.append(el("div", { class: `banner ${kind}`, role: "note" }, el("strong", {}, title), text));
	if (report.emulated)
		banner("warn", "Emulated devices", "No figure here says anything about EFA. They show what this machine's processors can do, and that the program works.");
	if (invalid)
		banner("bad", `${invalid} of ${results.length} results are INVALID`, "Their figures must not be used; they are left out of charts and summary. The reasons stand under Flags.");
	if (report.interrupted)
		banner("warn", "Interrupted", "The run was ended early by a signal; what was measured until then is shown.");
	if (!results.length)
		banner("warn", "Nothing was measured", "The report has no results.");
}

function best(list, value) {
	return list.reduce((found, r) => found && value(found) >= value(r) ? found : r, null);
}

function tile(text, value, unitText, more, key) {
	return el("div", { class: "tile", "data-key": key }, el("div", { class: "what" }, text),
		el("div", { class: "value" }, value, " ", el("small", {}, unitText)), el("div", { class: "more" }, more));
}

function showTiles() {
	for (const label of new Set(results.map((r) => r.derived.label))) {
		const tiles = [], mine = results.filter((r) => valid(r) && r.derived.label === label);
		const fastest = best(mine.filter((r) => r.case.test === "bw" && r.rate_bytes_per_s.median), (r) => r.rate_bytes_per_s.median);
		const soonest = best(mine.filter((r) => r.case.test === "lat" && r.p50_ns.median), (r) => -r.p50_ns.median);
		const most = best(mine.filter((r) => r.case.test === "rate" && r.ops_per_s.median), (r) => r.ops_per_s.median);
		if (fastest) {
			const share = fastest.derived.share_of_line_rate;
			tiles.push(tile(`${label}: highest bandwidth`, number(gbits(fastest.rate_bytes_per_s.median)), "Gb/s",
				`${number(fastest.rate_bytes_per_s.median / 1e9)} GB/s${share === null ? "" : `, ${percent(share)} of line rate`}; ${fastest.case.op}, ${bytes(fastest.case.size)}`, "best-bandwidth"));
		}
		if (soonest)
			tiles.push(tile(`${label}: lowest median latency`, number(soonest.p50_ns.median / 1e3), "µs",
				`${soonest.derived.round_trip ? `there and back; half: ${number(soonest.p50_ns.median / 2e3)} µs; ` : ""}${soonest.case.op}, ${bytes(soonest.case.size)}`, "best-latency"));
		if (most)
			tiles.push(tile(`${label}: highest message rate`, number(most.ops_per_s.median / 1e6), "Mop/s", `${most.case.op}, ${bytes(most.case.size)}`, "best-rate"));
		if (tiles.length)
			main.append(el("div", { class: "tiles" }, tiles));
	}
}

/* --- charts ------------------------------------------------------------------------------------ */

function bySize(list, name, value, low, high) {
	const rows = list.filter((r) => valid(r) && value(r) !== null).sort((a, b) => a.case.size - b.case.size);
	return { name, x: rows.map((r) => Number(r.case.size)), y: rows.map(value), low: low && rows.map(low), high: high && rows.map(high) };
}

function sizeModel(series, yTitle, y) {
	return { xTitle: "bytes of each operation", yTitle, x: bytes, y, xTick: bytesTick, yTick: tick, xLog: 2, series };
}

function lineRate() {
	const rates = ["here", "there"].map((side) => report[side].line_rate_bytes_per_s).filter((rate) => rate > 0);
	return rates.length && !report.emulated ? Math.min(...rates) : null;
}

function showBandwidth() {
	const all = ofTest("bw"), line = lineRate(), sizes = all.map((r) => Number(r.case.size));
	const series = groupsOf("bw").map((list) => bySize(list, groupName(list[0], all), (r) => gbits(r.rate_bytes_per_s.median),
		(r) => gbits(r.rate_bytes_per_s.low), (r) => gbits(r.rate_bytes_per_s.high)));
	if (line && sizes.length)
		series.push({ name: `line rate, one way: ${number(gbits(line))} Gb/s`, x: [Math.min(...sizes), Math.max(...sizes)], y: [gbits(line), gbits(line)], dash: [2, 4], bare: true, hue: 7 });
	if (all.length)
		chartSection("bandwidth", "Bandwidth", "Median of the repeats with its 95 % interval. Gb/s: 10⁹ bits each second. Both ways: the sum of the two directions.",
			sizeModel(series, "Gb/s", unit("Gb/s")));
}

function showRate() {
	const all = ofTest("rate");
	chartSection("rate", "Message rate", "Median of the repeats with its 95 % interval, in 10⁶ operations each second.",
		sizeModel(groupsOf("rate").map((list) => bySize(list, groupName(list[0], all), (r) => scaledBy(1e-6)(r.ops_per_s.median),
			(r) => scaledBy(1e-6)(r.ops_per_s.low), (r) => scaledBy(1e-6)(r.ops_per_s.high))), "Mop/s", unit("Mop/s")));
}

/* Points of the distribution, up to where fewer than 100 samples remain; y counts nines. */
function distribution(hist, name, off, dash) {
	const count = Number(hist.count), x = [], y = [];
	let seen = 0;
	hist.lows_ns.forEach((low, i) => {
		seen += Number(hist.counts[i]);
		const left = (count - seen) / count;
		if (count - seen >= 100 || !x.length) {
			x.push(Math.max(Number(low), 1) / 1e3);
			y.push(left > 0 ? -Math.log10(left) : 0);
		}
	});
	return { ...thin(x, y), name, off, dash, bare: true };
}

/* At most some 300 points: the curve looks the same. */
function thin(x, y) {
	const keep = x.map((_, i) => i).filter((i) => i === 0 || i === x.length - 1 || Math.floor(i * 300 / x.length) !== Math.floor((i - 1) * 300 / x.length));
	return { x: keep.map((i) => x[i]), y: keep.map((i) => y[i]) };
}

function share(nines) {
	return `${(100 - 100 * 10 ** -nines).toFixed(Math.min(Math.max(Math.ceil(nines - 1e-6) - 1, 1), 5))} %`;
}

/* On the axis, at whole nines and at 0 and 50 %. */
function shareTick(nines) {
	return `${Number((100 - 100 * 10 ** -nines).toPrecision(7))} %`;
}

function showLatency() {
	const all = results.filter((r) => valid(r) && !IS_RATE[r.case.test] && r.latency && Number(r.latency.count));
	const series = [];
	all.forEach((r) => {
		const name = `${r.derived.label} ${r.case.test} ${r.case.op}, ${bytes(r.case.size)}${r.case.test === "open" ? ` at ${number(r.case.rate)}/s, from due` : ""}`;
		series.push(distribution(r.latency, name, series.length >= 6));
		if (r.closed && Number(r.closed.count))
			series.push(distribution(r.closed, name.replace(", from due", ", from posting"), series.length >= 6, [5, 4]));
	});
	chartSection("latency", "Latency", "Share of operations that took at most so long. The upper scale counts nines; a curve ends where fewer than 100 samples remain. The true maximum stands in the tables.",
		{ xTitle: "µs (logarithmic)", yTitle: "share of operations", x: unit("µs"), y: share, xTick: tick, xLog: 10,
			yTick: (v) => v < 0.5 && v > 0 ? "50 %" : shareTick(v), ySplits: (u, axis, low, high) => [0, 0.30103, 1, 2, 3, 4, 5, 6].filter((v) => v >= low - 1e-9 && v <= high),
			yRange: (low, high) => [0, Math.max(1, high * 1.05)], series });
}

function showPairs() {
	const pairs = report.pairs.map((pair) => ({ ...pair, a: results[pair.a], b: results[pair.b] }));
	const lines = new Map();
	for (const pair of pairs.filter((one) => one.ratio !== null && valid(one.a) && valid(one.b))) {
		const key = `${pair.b.derived.label} against ${pair.a.derived.label}: ${pair.a.case.test} ${pair.a.case.op}`;
		if (!lines.has(key))
			lines.set(key, { name: key, x: [], y: [], low: [], high: [] });
		const line = lines.get(key);
		[line.x, line.y, line.low, line.high].forEach((list, i) => list.push([Number(pair.a.case.size), pair.ratio, pair.low, pair.high][i]));
	}
	const sizes = [...lines.values()].flatMap((line) => line.x);
	const even = sizes.length ? [{ name: "no difference", x: [Math.min(...sizes), Math.max(...sizes)], y: [1, 1], dash: [2, 4], bare: true, hue: 7 }] : [];
	const verdict = (pair) => ({ "-1": `${pair.a.derived.label} better`, 0: "no difference", 1: `${pair.b.derived.label} better`, 2: "cannot be told" })[pair.verdict];
	const shown = (r) => valid(r) ? (r.case.test === "bw" ? unit("Gb/s")(gbits(r.rate_bytes_per_s.median)) : r.case.test === "rate"
		? unit("Mop/s")(r.ops_per_s.median / 1e6) : unit("µs")(scaledBy(1e-3)(r.p50_ns.median))) : (r.error ? "failed" : "INVALID");
	const list = table("Every pair; ratio with its 95 % interval, above 1: the second is better", [
		["What", (p) => `${p.a.case.test} ${p.a.case.op}`, "l"], ["Bytes", (p) => Number(p.a.case.size).toLocaleString("en")],
		["First", (p) => p.a.derived.label, "l"], ["", (p) => shown(p.a)], ["Second", (p) => p.b.derived.label, "l"], ["", (p) => shown(p.b)],
		["Ratio", (p) => number(p.ratio), "", "ratio"], ["Interval", (p) => p.low === null ? "n/a" : `[${number(p.low)}, ${number(p.high)}]`],
		["Verdict", (p) => verdict(p), "l", "verdict"]], pairs);
	chartSection("against", "Against each other", "Rates: second over first; times: first over second. Above 1 the second is better; an interval that includes 1 means no difference.",
		{ ...sizeModel([...lines.values()].concat(even), "ratio (logarithmic)", number), yLog: 2, yAlso: 1, yMargin: 0.3 }, el("h3", {}, "Verdicts"), list);
}

function showCost() {
	const test = ofTest("bw").length ? "bw" : "rate";
	const lines = groupsOf(test).flatMap((list, hueOf) => ["here", "there"].map((side) => ({
		...bySize(list, `${groupName(list[0], ofTest(test))}, ${side}`, (r) => r.derived[`cost_${side}`].machine_s_per_gb), hue: hueOf, dash: side === "there" ? [6, 4] : [] })));
	chartSection("cost", "Processor time", "Seconds of processor time of the whole machine for each GB (10⁹ bytes) moved, above the idle baseline: the process, the kernel and soft interrupts. Whole lines: here; dashed: there.",
		{ ...sizeModel(lines.filter((series) => series.y.some((v) => v > 0)), "s/GB (logarithmic)", unit("s/GB")), yLog: 10 });
}

/* One result at a time: rate in each slice of time, a line for each repeat. */
function showTime() {
	const list = results.filter((r) => r.runs.some((run) => run.slices && run.slices.length && Number(run.slice_ns)));
	if (!list.length)
		return;
	let chart = null;
	const place = el("div"), pick = el("select", { "aria-label": "Result", change: () => show(list[pick.value]) }, list.map((r, i) => el("option", { value: i }, what(r))));
	const tools = el("div", { class: "tools" });
	const show = (r) => {
		const series = r.runs.map((run, i) => ({ run, i })).filter(({ run }) => run.slices && run.slices.length).map(({ run, i }) => {
			const seconds = Number(run.slice_ns) / 1e9;
			return { name: `repeat ${i + 1}`, x: run.slices.map((_, k) => Number(((k + 0.5) * seconds).toPrecision(9))),
				y: run.slices.map((b) => Number(b) * 8 / 1e9 / seconds), bare: true, off: i >= 8 };
		});
		if (chart) {
			Chart.all = Chart.all.filter((one) => one !== chart);
			chart.u.destroy();
		}
		chart = new Chart({ title: `Over time: ${what(r)}`, xTitle: "seconds since the measured time began", yTitle: "Gb/s", x: unit("s"), y: unit("Gb/s"), xTick: tick, yTick: tick, xLog: 0, series }, "weft-perf-time");
		tools.replaceChildren(...chart.tools());
		place.replaceChildren(chart.figure);
		chart.draw();
	};
	section("time", "Over time", "Bandwidth within the measured time of each repeat. Dips and steps show what a median hides.", [pick, tools], place);
	show(list[0]);
}

/* --- tables ------------------------------------------------------------------------------------ */

function interval(median, factor) {
	return median.low === null || median.high === null ? "n/a" : `[${number(median.low * factor)}, ${number(median.high * factor)}]`;
}

function state(r) {
	if (r.error)
		return el("span", { class: "badge bad" }, "FAILED");
	if (r.invalid)
		return el("span", { class: "badge bad" }, "INVALID");
	if (r.flags.length)
		return el("span", { class: "badge warn" }, `${r.flags.length} flagged`);
	if (r.wanted && !r.reached)
		return el("span", { class: "badge" }, "not reached");
	return el("span", { class: "badge good" }, "ok");
}

function percentile(r, name) {
	const found = r.derived.percentiles.find((one) => one.name === name);
	return found && found.ns !== null ? number(found.ns / 1e3) : "n/a";
}

/* What stands in one line of a chart, together and by size. */
function sorted(list) {
	const order = [...groups.keys()];
	return [...list].sort((a, b) => order.indexOf(groupKey(a)) - order.indexOf(groupKey(b)) || a.case.size - b.case.size);
}

function showFigures() {
	const common = [["Bytes", (r) => Number(r.case.size).toLocaleString("en"), "", "size"], ["Over", (r) => r.derived.label, "l"], ["Operation", (r) => `${r.case.op}${r.case.bidir ? ", both ways" : ""}`, "l"], ["State", state, "l", "state"]];
	const cost = [["CPU here, s/GB", (r) => number(r.derived.cost_here.machine_s_per_gb), "", "cpu-here"], ["CPU there, s/GB", (r) => number(r.derived.cost_there.machine_s_per_gb), "", "cpu-there"],
		["CPU here, µs/op", (r) => number(r.derived.cost_here.machine_us_per_op)], ["CPU there, µs/op", (r) => number(r.derived.cost_there.machine_us_per_op)]];
	const rates = [...common, ["Gb/s", (r) => number(gbits(r.rate_bytes_per_s.median)), "", "gbits"], ["GB/s", (r) => number(scaledBy(1e-9)(r.rate_bytes_per_s.median)), "", "gbytes"],
		["95 %, Gb/s", (r) => interval(r.rate_bytes_per_s, 8 / 1e9)], ["Mop/s", (r) => number(scaledBy(1e-6)(r.ops_per_s.median)), "", "mops"], ["Of line rate", (r) => percent(r.derived.share_of_line_rate), "", "line"],
		["Repeats", (r) => String(r.rate_bytes_per_s.n)], ...cost, ["Settings", settings, "l"]];
	const times = [...common, ["p50, µs", (r) => number(scaledBy(1e-3)(r.p50_ns.median)), "", "p50"], ["95 %, µs", (r) => interval(r.p50_ns, 1e-3)],
		...["p90", "p99", "p99.9", "p99.99"].map((name) => [`${name}, µs`, (r) => percentile(r, name), "", name]),
		["Maximum, µs", (r) => r.latency && Number(r.latency.count) ? number(Number(r.latency.max_ns) / 1e3) : "n/a", "", "max"], ["Mean, µs", (r) => number(scaledBy(1e-3)(r.derived.mean_ns))],
		["Sd, µs", (r) => number(scaledBy(1e-3)(r.derived.sd_ns))], ["Samples", (r) => r.latency ? Number(r.latency.count).toLocaleString("en") : "n/a"], ["Asked op/s", (r) => r.case.test === "open" ? number(r.case.rate) : "n/a"],
		["Repeats", (r) => String(r.p50_ns.n)], ...cost.slice(2), ["Settings", settings, "l"]];
	const titles = { bw: "Bandwidth", rate: "Message rate", lat: "Latency", open: "Latency at a given rate, from when each was due", setup: "Connection set-up", reg: "Registration of memory" };
	const tables = Object.entries(titles).map(([test, title]) => [title, ofTest(test), IS_RATE[test] ? rates : times]).map(([title, list, columns]) => [title, sorted(list), columns]).filter(([, list]) => list.length);
	section("figures", "All figures", "Medians of the repeats. n/a: too few samples for that percentile, or nothing to tell.", [],
		...tables.map(([title, list, columns]) => table(title, columns, list, (r) => valid(r) ? null : "invalid")));
}

function settings(r) {
	const c = r.case;
	return [r.derived.layer, `window ${c.window}`, `threads ${c.threads}`, `endpoints ${c.eps}`, `post list ${c.post_list}`, c.nics ? `NICs ${c.nics}` : "", c.devices, c.validate ? "content checked" : "",
		c.pace ? `paced to ${number(c.pace / 1e9)} GB/s` : "", c.model].filter(Boolean).join(", ");
}

function showFlags() {
	const items = results.flatMap((r) => [
		...(r.error ? [{ r, kind: "bad", word: "FAILED", why: r.why, remedy: "" }] : []),
		...r.flags.map((flag, i) => ({ r, kind: flag.how === "invalid" ? "bad" : flag.how === "flagged" ? "warn" : "", word: flag.how === "invalid" ? "INVALID" : flag.how, gate: flag.gate, why: flag.why, remedy: r.derived.remedies[i] })),
		...(r.wanted && !r.reached && !r.error && !r.flags.some((flag) => flag.gate === "not_reached") ? [{ r, kind: "", word: "not reached", why: `The interval is ${percent(r.derived.half_interval)} of the median to either side; ${percent(r.wanted)} was asked for.`, remedy: "" }] : []),
		...r.runs.flatMap((run, i) => run.error ? [{ r, kind: "warn", word: `repeat ${i + 1} failed`, why: run.why, remedy: "" }] : []),
	]);
	section("flags", "Flags", items.length ? "What makes a figure doubtful, and what to do." : "Nothing was flagged.", [],
		el("ul", { class: "flags" }, items.map((item) => el("li", { "data-key": "flag" }, el("span", { class: `badge ${item.kind}` }, item.word), " ", el("strong", {}, item.gate || ""), " ",
			item.why, item.remedy ? el("div", {}, `Remedy: ${item.remedy}`) : null, el("div", { class: "where" }, what(item.r))))));
}

function showNics() {
	const rows = results.flatMap((r) => ["here", "there"].flatMap((side) => {
		const sums = new Map();
		r.runs.forEach((run) => run[side].nics.forEach((nic) => {
			const sum = sums.get(nic.name) || { r, side, name: nic.name, tx: 0, rx: 0, again: 0, drops: 0 };
			sum.tx += Number(nic.tx_bytes), sum.rx += Number(nic.rx_bytes), sum.again += Number(nic.retransmits), sum.drops += Number(nic.drops);
			sums.set(nic.name, sum);
		}));
		return [...sums.values()];
	}));
	return rows.length ? [el("h3", {}, "Which NIC carried the bytes"), table("The NICs' own counters over all repeats of a result", [["Result", (n) => what(n.r), "l"], ["Side", (n) => n.side, "l"], ["NIC", (n) => n.name, "l"],
		["Sent, GB", (n) => number(n.tx / 1e9)], ["Received, GB", (n) => number(n.rx / 1e9)], ["Sent again", (n) => String(n.again)], ["Dropped", (n) => String(n.drops)]], rows)] : [];
}

function showEnvironment() {
	const names = [...new Set([...report.here.facts, ...report.there.facts].map((one) => one.name))];
	section("environment", "Environment", "Both machines; lines that differ are marked.", [],
		table("What was recorded of both machines", [["", (name) => name, "l"], ["Here", (name) => fact("here", name) ?? "–", "l wrap"], ["There", (name) => fact("there", name) ?? "–", "l wrap"]], names,
			(name) => fact("here", name) === fact("there", name) ? null : "differs"), ...showNics());
}

function showNotes() {
	const notes = [["Units", "Gb/s: 10⁹ bits each second. GB/s: 10⁹ bytes each second. µs: 10⁻⁶ seconds. Mop/s: 10⁶ operations each second."],
		["Repeats and intervals", "Each figure is the median of its repeats. The interval holds the true median with 95 % confidence, without assuming any distribution. Nothing was dropped."],
		["Percentiles", "Given only where at least 100 samples lie beyond them; the maximum is the true one."],
		["Latency", "Tests lat and open, send and writeimm: a message and its answer; half of it is the time one way only if both ways take the same. Write and read: until the operation has ended. Test open: from when each operation was due, so that waiting behind a slow one counts; \"from posting\" leaves that out."],
		["Processor time", "Of the whole machine above its idle baseline, so that the kernel's work on other cores counts. Bytes are those of both directions, the same for both ends: the two costs can be added."]];
	section("notes", "How to read this", null, [], el("dl", { class: "notes" }, notes.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])));
}

/* --- theme ------------------------------------------------------------------------------------- */

const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = "system";

function redraw() {
	Chart.all.forEach((chart) => chart.draw());
}

function applyTheme(printing) {
	const isDark = !printing && (theme === "dark" || (theme === "system" && dark.matches));
	document.documentElement.dataset.theme = isDark ? "dark" : "light";
	document.getElementById("theme").textContent = `Theme: ${theme === "system" ? "as the system" : theme}`;
	Chart.all.forEach((chart) => chart.print(printing));
	if (!printing)
		redraw();
}

document.getElementById("theme").addEventListener("click", () => {
	theme = { system: dark.matches ? "light" : "dark", light: dark.matches ? "dark" : "system", dark: dark.matches ? "system" : "light" }[theme];
	applyTheme();
});
dark.addEventListener("change", () => applyTheme());
addEventListener("beforeprint", () => applyTheme(true));
addEventListener("afterprint", () => applyTheme());

applyTheme();
[showTop, showTiles, showBandwidth, showRate, showLatency, showPairs, showCost, showTime, showFigures, showFlags, showEnvironment, showNotes].forEach((show) => show());
document.documentElement.dataset.ready = String(Chart.all.length);
