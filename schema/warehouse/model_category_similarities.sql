-- Place: local
create table if not exists {{ warehouse }}.model_category_similarities (
    transaction_category text not null,
    similar_category text not null,
    users bigint not null,
    similarity numeric not null,
    fitted_on text not null,
    constraint model_category_similarities_key primary key (transaction_category, similar_category)
);

comment on table {{ warehouse }}.model_category_similarities is
'How similar two categories are, by model_sample. One row per ordered pair of categories that '
'share a user.';
comment on column {{ warehouse }}.model_category_similarities.transaction_category is
'One category; never unknown.';
comment on column {{ warehouse }}.model_category_similarities.similar_category is
'Another one; each pair has two rows, one for each order.';
comment on column {{ warehouse }}.model_category_similarities.users is
'Users of the sample who used both.';
comment on column {{ warehouse }}.model_category_similarities.similarity is
'Cosine of the affinities of the sample''s users for the two categories: 1 where all use both '
'alike.';
comment on column {{ warehouse }}.model_category_similarities.fitted_on is
'md5 of the sample: the model stays as long as the sample does.';
