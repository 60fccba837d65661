-- Place: local
create table if not exists {{ warehouse }}.agg_user_recommendations_basis (
    fitted_on text not null,
    constraint agg_user_recommendations_basis_key primary key (fitted_on)
);

comment on table {{ warehouse }}.agg_user_recommendations_basis is
'The model that agg_user_recommendations was last filled from; with another one, all users are '
'recomputed. One row; none if no categories are similar.';
comment on column {{ warehouse }}.agg_user_recommendations_basis.fitted_on is
'The model, by model_category_similarities.fitted_on.';
