package com.example;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Prints the different words of its arguments. */
public class Words {
    public static void main(String[] arguments) {
        Set<String> words = new TreeSet<>(List.of(String.join(" ", arguments).split(" +")));
        System.out.println(words + " on " + System.getProperty("os.arch"));
    }
}
