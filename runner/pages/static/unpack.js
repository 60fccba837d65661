"use strict";
// Unpacks the data and the script of the page, which are compressed in it, and runs the script: the
// page's policy names its digest, so no other text can run. Where a browser cannot, or the file was
// cut off, the page shows what it shows without scripts.
(async () => {
  const find = (id) => document.getElementById(id);
  const unpacked = (id) => {
    const text = atob(find(id).textContent), bytes = new Uint8Array(text.length);
    for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  try {
    const [data, text] = await Promise.all([unpacked("packed-data"), unpacked("packed-script")]);
    find("data").textContent = data;
    const script = document.createElement("script");
    script.textContent = text;
    for (const id of ["packed-data", "packed-script"]) find(id).remove();
    document.body.append(script);
  } catch {
    // What stands in a noscript element is the text of its markup, which the page was written with.
    for (const plain of document.querySelectorAll("noscript")) plain.outerHTML = plain.textContent;
    find("plain").querySelector("span").textContent = typeof DecompressionStream === "undefined"
      ? "This browser is too old for the charts and choices."
      : "This file is damaged: its charts and choices cannot be read.";
  }
})();
