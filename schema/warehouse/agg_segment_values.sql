-- Place: local
create table if not exists {{ warehouse }}.agg_segment_values (
    fitted_on text not null,
    segment text not null,
    cluster integer not null,
    figure text not null,
    value numeric not null,
    users bigint not null,
    constraint agg_segment_values_key primary key (fitted_on, segment, cluster, figure, value)
);

comment on table {{ warehouse }}.agg_segment_values is
'How many users of a segment and cluster have which value of a figure. Kept by agg_user_profiles.';
comment on column {{ warehouse }}.agg_segment_values.fitted_on is
'The model of the clusters, by model_user_clusters.fitted_on: the same in all rows.';
comment on column {{ warehouse }}.agg_segment_values.segment is 'Segment by rule.';
comment on column {{ warehouse }}.agg_segment_values.cluster is 'Number of the cluster.';
comment on column {{ warehouse }}.agg_segment_values.figure is
'last active day, active days, miles earned or miles redeemed.';
comment on column {{ warehouse }}.agg_segment_values.value is
'The value; days as their number since 2000-01-01, miles as the lower end of their band.';
comment on column {{ warehouse }}.agg_segment_values.users is 'How many users.';
