-- Place: local
create table if not exists {{ warehouse }}.agg_user_closeness_basis (
    fitted_on text not null,
    constraint agg_user_closeness_basis_key primary key (fitted_on)
);

comment on table {{ warehouse }}.agg_user_closeness_basis is
'The model that agg_user_closeness was last filled from; with another one, all users are '
'recomputed. One row, or none.';
comment on column {{ warehouse }}.agg_user_closeness_basis.fitted_on is
'The model, by model_user_clusters.fitted_on.';
