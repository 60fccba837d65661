-- Place: local
create table if not exists {{ warehouse }}.agg_user_profiles_basis (
    last_day date not null,
    fitted_on text not null,
    constraint agg_user_profiles_basis_key primary key (last_day)
);

comment on table {{ warehouse }}.agg_user_profiles_basis is
'What agg_user_profiles was last brought up to: if either is another one now, so may everybody''s '
'profile be. One row.';
comment on column {{ warehouse }}.agg_user_profiles_basis.last_day is 'Last day of the data.';
comment on column {{ warehouse }}.agg_user_profiles_basis.fitted_on is
'The model, by model_user_clusters.fitted_on.';
