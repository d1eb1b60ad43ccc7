"""Many silos, one model, no record moved: rounds of local training, checked and averaged."""
