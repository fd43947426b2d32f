"""Training pages without PubLayNet: pages set with Typst, or any tagged PDF, as PubLayNet-shaped trees."""
