"""Hours of bad luck in minutes: three daemons, readers that check every byte, and a schedule of faults from one seed.

``python -m benchmarks.chaos --minutes M --seed S``. The schedule of a run is a pure function of the seed (`schedule`):
it is made first and saved, and can be played again from its file. Readers (`reader`) are processes that know what every
byte must be (`content`); `acting` lets the events happen; `judging` says which errors an event excuses, because the
data was really gone; `hygiene` looks for what was left behind.
"""
