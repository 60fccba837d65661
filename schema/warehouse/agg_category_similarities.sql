create table if not exists {{ warehouse }}.agg_category_similarities (
    transaction_category text not null,
    similar_category text not null,
    users bigint not null,
    similarity numeric not null,
    constraint agg_category_similarities_key primary key (transaction_category, similar_category)
);

comment on table {{ warehouse }}.agg_category_similarities is
'How alike two categories are. One row per ordered pair of categories that share a user.';
comment on column {{ warehouse }}.agg_category_similarities.transaction_category is
'One category; never unknown.';
comment on column {{ warehouse }}.agg_category_similarities.similar_category is
'Another one; each pair has two rows, one for each order.';
comment on column {{ warehouse }}.agg_category_similarities.users is 'Users who used both.';
comment on column {{ warehouse }}.agg_category_similarities.similarity is
'Cosine of the affinities of all users for the one and for the other: 1 where all use both alike.';
