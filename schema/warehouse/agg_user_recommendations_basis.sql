-- Place: local
create table if not exists {{ warehouse }}.agg_user_recommendations_basis (
    fitted_on text not null,
    constraint agg_user_recommendations_basis_key primary key (fitted_on)
);

comment on table {{ warehouse }}.agg_user_recommendations_basis is
'What agg_user_recommendations was last brought up to: if it is another one now, so may be '
'everybody''s recommendations. One row; none if no categories are alike.';
comment on column {{ warehouse }}.agg_user_recommendations_basis.fitted_on is
'The model, by model_category_similarities.fitted_on.';
