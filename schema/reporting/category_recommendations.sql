-- Place: local
create table if not exists {{ reporting }}.category_recommendations (
    segment text not null,
    transaction_category text not null,
    rank integer not null,
    users bigint not null,
    score numeric not null,
    support numeric not null,
    constraint category_recommendations_key primary key (segment, transaction_category)
);

comment on table {{ reporting }}.category_recommendations is
'What to offer whom next, as counts. One row per segment by rule and category; none where everybody
has used every category.';
comment on column {{ reporting }}.category_recommendations.segment is
'Segment by rule; other: those with fewer than min_cell of these users.';
comment on column {{ reporting }}.category_recommendations.transaction_category is
'Category; other: those with fewer than min_cell users in the segment.';
comment on column {{ reporting }}.category_recommendations.rank is
'1 is the most frequent in the segment: by users, then by name; other comes last.';
comment on column {{ reporting }}.category_recommendations.users is
'Users of the segment for whom this is the best recommendation.';
comment on column {{ reporting }}.category_recommendations.score is 'Mean of their scores for it.';
comment on column {{ reporting }}.category_recommendations.support is
'Users of the model''s sample who used both it and the category that spoke for it most, as a mean.';
