/* A diverse subset of samples, for calibration: calibrate --select. */
#ifndef IG_DRIVER_SELECT_H
#define IG_DRIVER_SELECT_H
#include "frontend/dataset.h"

/* Which n of the sets' samples, numbered through: chosen[i] for each, to be freed. All of them when there are no more than n. Farthest-first traversal
   (T. Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; as a core set for training: O. Sener, S. Savarese, "Active Learning for
   Convolutional Neural Networks", ICLR 2018): the first is the sample nearest to the mean, each further one the sample farthest from all that are taken,
   so that no sample is far from one of them. Samples are compared by the means and the spreads of up to 64 pieces of each input, every such number
   divided by its standard deviation over the samples. Depends on the samples and their order alone. */
bool *ig_select_samples(const struct ig_graph *g, struct ig_dataset *const *set, int n_sets, int64_t n);
#endif
