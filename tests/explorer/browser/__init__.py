"""The explorer in a browser. A package, as all its tests share a browser, which ends before other tests go on."""
