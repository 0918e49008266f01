// A browser started without a locale says that its language is "C" (WebKitGTK with LANG unset), which is none: Intl refuses it,
// and with it everything that formats numbers, the charts' library among them. Imported before that library.

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}

export {};
