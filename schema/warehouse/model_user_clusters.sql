-- Place: local
create table if not exists {{ warehouse }}.model_user_clusters (
    cluster integer not null,
    label text not null,
    position integer not null,
    feature text not null,
    centre numeric not null,
    mean numeric not null,
    deviation numeric not null,
    fitted_on text not null,
    constraint model_user_clusters_key primary key (cluster, feature)
);

comment on table {{ warehouse }}.model_user_clusters is
'The clusters that k-means finds in model_sample: their centres, and the scales of the features. '
'One row per cluster and feature.';
comment on column {{ warehouse }}.model_user_clusters.cluster is
'Number of the cluster, from the most active: by the sum of the centre''s coordinates but recency.';
comment on column {{ warehouse }}.model_user_clusters.label is
'The two features in which the centre is furthest from the mean, such as high likes, low recency.';
comment on column {{ warehouse }}.model_user_clusters.position is
'Position of the feature, from 1.';
comment on column {{ warehouse }}.model_user_clusters.feature is
'What users are compared by: recency, active days, likes, shares, searches, earns, redeems, miles '
'earned, miles redeemed or categories; each as ln(1 + x).';
comment on column {{ warehouse }}.model_user_clusters.centre is
'Coordinate of the centre: (ln(1 + x) - mean) / deviation, 0 if the deviation is.';
comment on column {{ warehouse }}.model_user_clusters.mean is
'Mean of the logarithms in the sample, the same in all clusters.';
comment on column {{ warehouse }}.model_user_clusters.deviation is
'Population deviation of the logarithms in the sample, the same in all clusters.';
comment on column {{ warehouse }}.model_user_clusters.fitted_on is
'md5 of the sample: the model stays as long as the sample does.';
