/** Forty names that would run a script in a page that takes them for anything but text. */

const RUN = "window.__pwned=1";

export const INJECTIONS: readonly string[] = [
  `<script>${RUN}</script>`,
  `<img src=x onerror=${RUN}>`,
  `<svg onload=${RUN}>`,
  `<svg/onload=${RUN}//`,
  `"><script>${RUN}</script>`,
  `'><img src=x onerror=${RUN}>`,
  `</td><script>${RUN}</script>`,
  `</textarea><script>${RUN}</script>`,
  `</title><script>${RUN}</script>`,
  `</script><script>${RUN}</script>`,
  `--><script>${RUN}</script>`,
  `]]><script>${RUN}</script>`,
  `<iframe srcdoc="<script>parent.__pwned=1</script>">`,
  `<iframe src="javascript:parent.__pwned=1">`,
  `<object data="javascript:${RUN}">`,
  `<embed src="javascript:${RUN}">`,
  `<a href="javascript:${RUN}">click</a>`,
  `javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `<details open ontoggle=${RUN}>`,
  `<body onload=${RUN}>`,
  `<input autofocus onfocus=${RUN}>`,
  `<select autofocus onfocus=${RUN}>`,
  `<video><source onerror=${RUN}></video>`,
  `<audio src=x onerror=${RUN}>`,
  `<marquee onstart=${RUN}>`,
  `<style>@import "data:text/css,*{}";</style>`,
  `<link rel=stylesheet href="data:text/css,*{display:none}">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `<base href="https://evil.example/">`,
  `<form action="https://evil.example/"><button>Send</button></form>`,
  `<math><mtext><script>${RUN}</script></mtext></math>`,
  `<template><script>${RUN}</script></template>`,
  `" onmouseover="${RUN}" autofocus onfocus="${RUN}`,
  `' onclick='${RUN}`,
  `\${${RUN}}`,
  `{{constructor.constructor("${RUN}")()}}`,
  `<!--?lit$12345$--><script>${RUN}</script>`,
  `\\u003cscript\\u003e${RUN}\\u003c/script\\u003e&lt;script&gt;`,
  `\u202e<img src=x onerror=alert(1)>\u2066\u0000`,
];

/** Names a node may have that mean something to JavaScript. */
export const TREACHEROUS_IDS = ["constructor", "toString", "hasOwnProperty", "valueOf", "javascript", "main", "totals"];
