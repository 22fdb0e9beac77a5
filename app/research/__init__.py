"""Labels, data sets, training and evaluation. Not imported by any service; training needs the extra `train`."""
