/* Downloads of any figure, and addresses that say what a page shows. */
(() => {
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  // Plotly may hold numbers packed in typed arrays; `_inputArray` and friends stay out of it.
  const values = (data) => (data && data.length !== undefined ? Array.from(data) : []);
  const asCsv = (plot) => {
    const rows = [["series", "x", "y", "z"]];
    for (const trace of plot.calcdata.map((c) => c[0].trace)) {
      const [x, y] = [values(trace.x), values(trace.y)];
      if (trace.z) {
        values(trace.z).forEach((line, i) =>
          values(line).forEach((z, j) => rows.push([trace.name, x[j] ?? j, y[i] ?? i, z])));
      } else {
        for (let i = 0; i < Math.max(x.length, y.length); i += 1) rows.push([trace.name, x[i] ?? i, y[i] ?? "", ""]);
      }
    }
    return rows.map((row) => row.map(quote).join(",")).join("\r\n");
  };
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".qfin-download");
    if (!button) return;
    const { figure, kind } = button.dataset;
    const drawn = [figure, `${figure}-narrow`].map((id) => document.getElementById(id)).filter((e) => e);
    const shown = drawn.find((element) => element.offsetParent !== null) || drawn[0];
    const plot = shown.querySelector(".js-plotly-plot");
    if (kind === "csv") {
      save(new Blob([asCsv(plot)], { type: "text/csv" }), `${figure}.csv`);
    } else {
      const { width, height } = plot.getBoundingClientRect();
      window.Plotly.downloadImage(plot, { format: kind, filename: figure, width, height, scale: kind === "png" ? 2 : 1 });
    }
  });
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    qfin: {
      addressOfRun: (run) => window.dash_clientside.qfin.address(["run"], run),
      addressOfOther: (other) => window.dash_clientside.qfin.address(["other"], other),
      addressOfSource: (source, kind) => window.dash_clientside.qfin.address(["source", "kind"], source, kind),
      addressOfAsset: (asset) => window.dash_clientside.qfin.address(["asset"], asset === "the book" ? "" : asset),
      addressOfCrash: (event, model) => window.dash_clientside.qfin.address(["event", "model"], event, model),
      addressOfJob: (job) => window.dash_clientside.qfin.address(["job"], job),
      addressOfLoss: (clicks, lose) => window.dash_clientside.qfin.addressOnce(clicks, "lose", lose),
      addressOfLike: (clicks, like) => window.dash_clientside.qfin.addressOnce(clicks, "like", like),
      addressOfBacktest: (chosen, level) =>
        window.dash_clientside.qfin.address(["backtest", "level"], chosen, level),
      addressOfRules: (rules) => window.dash_clientside.qfin.address(["rules"], rules),
      addressOfPortfolio: (geo) => window.dash_clientside.qfin.address(["geo"], geo),
      addressOfPair: (first, second) => window.dash_clientside.qfin.address(["first", "second"], first, second),
      addressOnce: (clicks, name, value) =>
        clicks ? window.dash_clientside.qfin.address([name], value) : window.dash_clientside.no_update,
      // (names, …values) -> the address of what is shown, without loading anything
      address: (names, ...shown) => {
        const query = new URLSearchParams(window.location.search);
        names.forEach((name, i) => {
          const value = Array.isArray(shown[i]) ? shown[i].join(",") : shown[i];
          if (value === null || value === undefined || value === "") query.delete(name);
          else query.set(name, value);
        });
        const search = query.toString();
        const { pathname, hash } = window.location;
        window.history.replaceState(window.history.state, "", pathname + (search ? `?${search}` : "") + hash);
        return window.dash_clientside.no_update;
      },
    },
  });
})();
