"""The experiment `ecmp`: how connections spread over ways of equal length, few of them and many."""
