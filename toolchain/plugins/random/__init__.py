"""The random provider: RandomPassword, RandomString, RandomBytes and RandomId of pulumi-random's schema."""
