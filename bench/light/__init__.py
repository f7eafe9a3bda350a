"""Training and measuring of the light model that ships (``streams/scoring/light``)."""
