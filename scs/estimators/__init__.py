"""One pipeline behind two doors: `scs.fit` and the scikit-learn classes."""
